/** `begin()`: transactions that end in the tick in which they began. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import {
  deferredForeignKey,
  insert,
  names,
  openFile,
  openMemory,
  openRaw,
} from './support/database.ts'
import { driverOf, test } from './support/drivers.ts'
import { withCode } from './support/promises.ts'

describe('begin()', () => {
  test('a transaction that commits is kept', (t) => {
    const { db, committed } = openFile(t)
    using tx = db.begin()
    assert.equal(tx.state, 'open')
    insert(tx, 'a')
    assert.deepEqual(committed(), [])
    tx.commit()
    assert.equal(tx.state, 'committed')
    assert.deepEqual(committed(), ['a'])
  })

  test('a transaction that is left without commit is rolled back', (t) => {
    const { db, committed } = openFile(t)
    const left = (() => {
      using tx = db.begin()
      insert(tx, 'a')
      return tx
    })()
    assert.equal(left.state, 'rolled back')
    assert.deepEqual(committed(), [])
  })

  test('a block that throws rolls back and throws that very error', (t) => {
    const { db, committed } = openFile(t)
    const boom = new Error('boom')
    const act = (): void => {
      using tx = db.begin()
      insert(tx, 'a')
      throw boom
    }
    assert.throws(act, (error) => error === boom)
    assert.deepEqual(committed(), [])
  })

  test('it holds the write lock from the beginning, so that a read in it stays true', (t) => {
    const { db, path } = openFile(t)
    const other = openRaw(t, path)
    using tx = db.begin()
    assert.deepEqual(names(tx), [])
    assert.throws(() => other.exec("insert into item values ('b')"), withCode('SQLITE_BUSY'))
    tx.commit()
    other.exec("insert into item values ('b')")
  })

  test('after its end every use says so, and dispose does nothing', (t) => {
    const { db } = openFile(t)
    const tx = db.begin()
    tx.commit()
    const gone = withCode(
      'ERR_DISPOSED',
      /transaction on "[^"]*test\.db" was used after its commit\./,
    )
    assert.throws(() => tx.commit(), gone)
    assert.throws(() => tx.rollback(), gone)
    assert.throws(() => tx.prepare('select 1'), gone)
    assert.throws(() => tx.exec('select 1'), gone)
    assert.throws(() => tx.savepoint(), gone)
    tx[Symbol.dispose]()
    tx[Symbol.dispose]()
    assert.equal(tx.state, 'committed')
  })

  test('rolling back twice is the same as once, and a commit after that says that it is over', (t) => {
    const { db } = openFile(t)
    const tx = db.begin()
    tx.rollback()
    tx.rollback()
    assert.equal(tx.state, 'rolled back')
    assert.throws(() => tx.commit(), withCode('ERR_DISPOSED'))
  })

  test('a second transaction in the same tick is refused and told what to do', (t) => {
    const { db } = openFile(t)
    using tx = db.begin()
    const refused = withCode('ERR_SQLITE_BUSY', /test\.db.*savepoint.*db\.write\(\)/s)
    assert.throws(() => db.begin(), refused)
    assert.throws(() => db.transaction(() => {}), refused)
    assert.equal(tx.state, 'open')
  })

  test('what is written beside an open transaction does not become part of it', (t) => {
    const { db, committed } = openFile(t)
    const add = db.prepare('insert into item values (?)')
    const addAndRead = db.prepare('insert into item values (?) returning name')
    const tx = db.begin()
    const refused = withCode('ERR_SQLITE_BUSY', /"insert into item values \(\?\)/)
    assert.throws(() => add.run('stray'), refused)
    assert.throws(() => addAndRead.get('stray'), refused)
    assert.throws(() => addAndRead.all('stray'), refused)
    assert.throws(() => addAndRead.iterate('stray'), refused)
    assert.throws(() => db.exec("insert into item values ('stray')"), withCode('ERR_SQLITE_BUSY'))
    tx.commit()
    assert.deepEqual(committed(), [])
    add.run('a')
    assert.deepEqual(committed(), ['a'])
  })

  test('a commit that fails leaves it open, and dispose rolls it back', (t) => {
    const { db } = openFile(t)
    deferredForeignKey(db)
    {
      using tx = db.begin()
      tx.exec('insert into child values (7)')
      assert.throws(() => tx.commit(), withCode('SQLITE_CONSTRAINT_FOREIGNKEY', /FOREIGN KEY/))
      assert.equal(tx.state, 'open')
    }
    assert.deepEqual(db.prepare('select * from child').all(), [])
    using next = db.begin()
    next.commit()
  })

  test('a commit that failed can be repaired and tried again', (t) => {
    const { db } = openFile(t)
    deferredForeignKey(db)
    using tx = db.begin()
    tx.exec('insert into child values (7)')
    assert.throws(() => tx.commit(), /FOREIGN KEY/)
    tx.exec('insert into parent values (7)')
    tx.commit()
    assert.equal(tx.state, 'committed')
  })

  test('where SQLite rolls back by itself, nothing runs after it and nothing is thought committed', (t) => {
    const { db, committed } = openFile(t)
    db.exec('create unique index one on item (name)')
    const tx = db.begin()
    insert(tx, 'a')
    const again = tx.prepare("insert or rollback into item values ('a')")
    assert.throws(() => again.run(), withCode('SQLITE_CONSTRAINT_UNIQUE'))
    assert.equal(tx.state, 'rolled back')
    assert.throws(() => insert(tx, 'b'), isOver)
    assert.throws(() => tx.commit(), isOver)
    tx.rollback()
    tx[Symbol.dispose]()
    assert.deepEqual(committed(), [])
    insert(db, 'c')
    assert.deepEqual(committed(), ['c'])
  })

  test('the same where it happens in a script, in a read and in a loop', (t) => {
    const { db } = openFile(t)
    db.exec("create unique index one on item (name); insert into item values ('a')")
    const sql = "insert or rollback into item values ('a') returning name"
    for (const use of ['exec', 'get', 'all', 'iterate'] as const) {
      using tx = db.begin()
      const act = (): unknown =>
        use === 'exec'
          ? tx.exec(sql)
          : use === 'iterate'
            ? [...tx.prepare(sql).iterate()]
            : tx.prepare(sql)[use]()
      assert.throws(act, withCode('SQLITE_CONSTRAINT_UNIQUE'), use)
      assert.equal(tx.state, 'rolled back', use)
    }
    assert.deepEqual(names(db), ['a'])
  })

  const ends = [
    'select 1; commit',
    "insert into item values ('b'); commit",
    "insert into item values ('b'); rollback; begin",
    'select 1; end; begin',
    ';commit',
    ' ; /* why; */ -- why\n commit transaction',
    'select \';\'\'\', [;], "a;""b"; release unwind',
    'create trigger t after insert on item begin select case when 1 then 1 end; end; commit',
    'select 1 /*; */; savepoint s',
  ]

  test('a script that would end the transaction is refused before it runs, wherever it says so', (t) => {
    const { db, committed } = openFile(t)
    using tx = db.begin()
    insert(tx, 'a')
    using savepoint = tx.savepoint()
    for (const script of ends) {
      for (const on of [tx, savepoint]) {
        const run = (): void => on.exec(script)
        assert.throws(run, withCode('ERR_SQLITE_MISUSE', /commit\(\), rollback\(\)/), script)
      }
    }
    assert.throws(() => tx.prepare('; commit'), withCode('ERR_SQLITE_MISUSE', /commit\(\)/))
    assert.equal(tx.state, 'open')
    savepoint.commit()
    tx.commit()
    assert.deepEqual(committed(), ['a'])
    db.transaction((within) => {
      assert.throws(() => within.exec('select 1; commit'), withCode('ERR_SQLITE_MISUSE'))
      assert.throws(() => db.exec('select 1; commit'), withCode('ERR_SQLITE_MISUSE'))
    })
  })

  test('a script that only mentions the end of a transaction runs', (t) => {
    const { db, committed } = openFile(t)
    using tx = db.begin()
    tx.exec(`
      -- begin; commit
      create trigger t after insert on item when new.name = 'a' begin
        insert into item select case when 1 then 'commit; rollback' end;
        update item set name = 'b;' where name = 'a';
      END ;
      explain create temp trigger u after insert on item begin select 1; end;
      insert into item values ('a'); /* ; end; */
      select 1 as "release", 2 as [; rollback], 3 as \`;end\` where 'a' <> ';commit';
    `)
    tx.prepare('create trigger v after delete on item begin select 1; end').run()
    tx.commit()
    assert.deepEqual(committed(), ['b;', 'commit; rollback'])
  })

  test('a transaction that a user function of a script has ended says that it is committed', (t) => {
    const { db, raw } = openMemory(t)
    let refused = false
    raw.function('finish', () => {
      try {
        raw.exec('commit')
      } catch {
        refused = true
      }
      return 1
    })
    using tx = db.begin()
    insert(tx, 'a')
    const script = (): void => tx.exec("select finish(); insert into item values ('b')")
    // better-sqlite3 does not let it.
    if (driverOf(t).name === 'better-sqlite3') {
      script()
      assert.equal(refused, true)
      return
    }
    const ended = withCode('ERR_SQLITE_MISUSE', /behind the back of its handle.*is committed/)
    assert.throws(script, ended)
    assert.equal(tx.state, 'committed')
    assert.throws(() => tx.rollback(), ended)
    assert.throws(() => tx.commit(), ended)
    assert.deepEqual(names(db), ['a', 'b'])
  })
})

describe('on a Database of the caller', () => {
  test('a transaction that the caller began is not taken over', (t) => {
    const { db, raw } = openMemory(t)
    raw.exec('begin')
    assert.throws(() => db.begin(), withCode('ERR_SQLITE_MISUSE', /unwind did not begin.*:memory:/))
    raw.exec('rollback')
    using tx = db.begin()
    tx.commit()
  })

  test('a rollback inside a user function says that it cannot be, and works after it', (t) => {
    const { db, raw } = openMemory(t)
    using tx = db.begin()
    let failure: unknown
    raw.function('interfere', () => {
      try {
        tx[Symbol.dispose]()
      } catch (error) {
        failure = error
      }
      return 1
    })
    insert(tx, 'a')
    tx.prepare('select interfere()').get()
    assert.ok(withCode('ERR_SQLITE_MISUSE', /still open/)(failure))
    assert.equal(tx.state, 'open')
    tx.rollback()
    assert.deepEqual(names(db), [])
  })
})

/** The error of a transaction that SQLite ended, with the reason. */
function isOver(error: unknown): boolean {
  return (
    withCode('ERR_DISPOSED', /rolled back by SQLite/)(error) &&
    withCode('SQLITE_CONSTRAINT_UNIQUE')((error as Error).cause)
  )
}
