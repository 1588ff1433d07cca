import test from 'ava'
import { LateSignal } from '../../src/client/abort.ts'

test('a signal that is asked for late says what came before, and only the first reason counts', t => {
  const late = new LateSignal()
  late.abort(new Error('first'))
  late.abort(new Error('second'))
  t.true(late.signal.aborted)
  t.is((late.signal.reason as Error).message, 'first')
  t.is(late.signal, late.signal)
})

test('who asked before is told', t => {
  const late = new LateSignal()
  let told = 0
  late.signal.addEventListener('abort', () => (told += 1))
  t.false(late.signal.aborted)
  late.abort(new Error('now'))
  late.abort(new Error('again'))
  t.is(told, 1)
  t.is((late.signal.reason as Error).message, 'now')
})
