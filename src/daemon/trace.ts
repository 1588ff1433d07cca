import debug from 'debug'
import type { Trace, TraceEvent } from '../node.ts'
import type { Recorder } from './recorder.ts'

const scopes = {
  send: debug('lamport:send'),
  deliver: debug('lamport:deliver'),
  request: debug('lamport:mutex'),
  enter: debug('lamport:mutex'),
  leave: debug('lamport:mutex'),
  insert: debug('lamport:mutex'),
  remove: debug('lamport:mutex'),
  lose: debug('lamport:send'),
  retransmit: debug('lamport:send'),
  install: debug('lamport:view'),
  complete: debug('lamport:view'),
  reincarnate: debug('lamport:view'),
  'session-up': debug('lamport:session'),
  'session-lost': debug('lamport:session'),
} as const

/** Everything that happens inside a node: into the ring, and for `DEBUG=lamport:*`. */
export function createTrace(recorder: Recorder): Trace {
  // Looked at once: DEBUG is read when a program starts.
  const isLoud = Object.values(scopes).some(({ enabled }) => enabled)
  if (!isLoud) return (event, time, incarnation) => recorder.record(event, time, incarnation)
  return (event: TraceEvent, time, incarnation) => {
    recorder.record(event, time, incarnation)
    const scope = scopes[event.type]
    if (scope.enabled) scope('%s', JSON.stringify(event))
  }
}
