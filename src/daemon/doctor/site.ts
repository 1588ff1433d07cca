import type { DoctorFinding } from '../../control/protocol.ts'
import type { PeerStatus, Status } from '../../node.ts'
import { differencesOf, parseAbout, type About } from '../about.ts'
import type { HostsFile } from '../config.ts'
import { failure, fine, fromText, warning } from './finding.ts'

/** What the checks of a daemon at work rest on. */
export type SiteFacts = {
  readonly status: Status
  readonly file: HostsFile
  readonly own: About
  readonly connections: number
}

/** A limit that is so nearly reached is worth a word. */
const NEARLY = 0.8

/** What this host and the others say of each other. */
export function checkSite(facts: SiteFacts): DoctorFinding[] {
  return [
    checkMajority(facts),
    checkOthers(facts),
    checkSameFile(facts),
    checkVersions(facts),
    checkClocks(facts),
    checkKeys(facts),
    checkVariables(facts),
    checkLimits(facts),
  ]
}

/**
 * Whether hosts may be added or taken away now: docs/operations.md.
 *
 * @param askedMs for how long: each host must have been heard since, for one that has just died is
 *   taken for alive until `suspect` has passed
 */
export function checkChange({ status, file }: SiteFacts, askedMs: number): DoctorFinding {
  const check = 'change'
  const away = status.peers.filter(({ state }) => state !== 'member')
  const isIn = status.isMember && status.complete
  if (!isIn || away.length > 0) {
    const who = [...(isIn ? [] : ['this host']), ...away.map(describe)].join(', ')
    const advice = 'start them; if one is gone for good: docs/operations.md'
    return failure(check, `not in the view: ${who}`, advice)
  }
  const unheard = status.peers.filter(({ silent }) => silent === undefined || silent > askedMs)
  if (unheard.length > 0) {
    const text = `not heard since this was asked: ${unheard.map(({ name }) => name).join(', ')}`
    return failure(check, text, 'are they up? ask again')
  }
  const other = status.peers.filter(({ copy }) => copy?.agrees !== true)
  if (other.length > 0) {
    const text = `other values of variables: ${other.map(describe).join(', ')}`
    return failure(check, text, 'stop what writes them, and ask again')
  }
  const lacking = [
    ...(status.whole ? [] : ['this host']),
    ...status.peers.filter(({ copy }) => copy?.whole !== true).map(describe),
  ]
  if (lacking.length > 0) {
    const text = `on the disk of ${lacking.join(', ')} is not the newest of every variable`
    return failure(check, text, 'ask again; if it stays so, restart lamportd there')
  }
  const hosts = `${file.hosts.length} host${file.hosts.length === 1 ? '' : 's'}`
  const text = `all ${hosts} are up, with the same values, and each disk has accepted them`
  return fine(check, `${text}: stop all, change hosts.yml on all, start all`)
}

function checkMajority({ status, file }: SiteFacts): DoctorFinding {
  const { blank, majority, isMember, view, complete } = status
  if (blank !== undefined) {
    return fromText('majority', 'failure', `this host has no vote yet: it waits for ${blank}`)
  }
  if (!majority) {
    const silent = status.peers.filter(({ state }) => state === 'silent' || state === 'connected')
    const text = isMember
      ? 'no majority of votes is heard: nothing can be locked here'
      : 'this host is not in the view: nothing can be locked here'
    const who = silent.map(describe).join(', ')
    return failure('majority', text, who === '' ? 'wait a moment' : `bring back ${who}`)
  }
  const members = view?.members.map(id => nameOf(file, id)).join(' ') ?? ''
  const settling = complete ? '' : ', and its requests are being learned'
  return fine('majority', `view ${view?.number}: ${members}${settling}`)
}

function checkOthers({ status }: SiteFacts): DoctorFinding {
  const away = status.peers.filter(({ state }) => state === 'silent' || state === 'connected')
  const strangers = status.notices
  if (away.length === 0 && strangers.length === 0) {
    return fine('hosts', status.peers.length === 0 ? 'there is no other' : 'all others are heard')
  }
  const notices = [...away.flatMap(({ notice }) => notice ?? []), ...strangers]
  const text =
    away.length === 0 ? 'somebody calls who may not' : `not heard: ${away.map(describe).join(', ')}`
  const advice = notices.length > 0 ? notices.join('; ') : 'is lamportd running there? the network?'
  return warning('hosts', text, advice)
}

function checkSameFile({ status, file, own }: SiteFacts): DoctorFinding {
  const said = status.peers.flatMap(peer => {
    const about = peer.about === undefined ? undefined : parseAbout(peer.about)
    const differences = about === undefined ? [] : differencesOf(own, about, file.places)
    return differences.map(difference => `${peer.name} has ${difference}`)
  })
  const refused = status.peers.filter(
    ({ notice }) => notice?.includes('another hosts.yml') === true,
  )
  if (refused.length > 0) {
    const text = refused.map(({ notice }) => notice?.replace(/;.*/, '')).join('; ')
    return failure('same-file', text, 'copy the same hosts.yml to all hosts, restart lamportd')
  }
  if (said.length === 0) return fine('same-file', 'hosts.yml is the same on all that are heard')
  return warning('same-file', said.join('; '), 'copy the same hosts.yml to all hosts')
}

function checkVersions({ status, own }: SiteFacts): DoctorFinding {
  const others = status.peers.flatMap(({ name, about }) => {
    const version = about === undefined ? undefined : parseAbout(about)?.version
    return version === undefined || version === own.version ? [] : [`${name} has ${version}`]
  })
  if (others.length === 0) return fine('versions', `lamportd ${own.version} on all that are heard`)
  const text = `here ${own.version}; ${others.join(', ')}`
  return warning('versions', text, 'upgrade the rest, one after the other')
}

function checkClocks({ status, file }: SiteFacts): DoctorFinding {
  const { drift } = file.timing
  const known = status.peers.flatMap(peer =>
    peer.drift === undefined ? [] : [{ ...peer, drift: peer.drift }],
  )
  const [worst] = known.sort((a, b) => Math.abs(b.drift) - Math.abs(a.drift))
  if (worst === undefined) {
    const text = 'how fast the clocks of the others run is known after half a minute'
    return fine('clocks', status.peers.length === 0 ? 'there is no other' : text)
  }
  const percent = (share: number): string => `${(Math.abs(share) * 100).toFixed(3)} %`
  const than = worst.drift < 0 ? 'slower' : 'faster'
  const text = `that of ${worst.name} runs ${percent(worst.drift)} ${than} than this one's`
  const allowed = `drift: is ${drift * 100} %`
  if (Math.abs(worst.drift) > drift) {
    const advice = `${allowed}: two hosts might hold one lock; find out which clock is wrong`
    return failure('clocks', text, advice)
  }
  if (Math.abs(worst.drift) > drift / 2) {
    return warning('clocks', text, `${allowed}; a clock of quartz is a hundred times better`)
  }
  return fine('clocks', `${text}, ${allowed}`)
}

function checkKeys({ status }: SiteFacts): DoctorFinding {
  const [first] = status.keys
  const old = status.peers.filter(({ key }) => key !== undefined && key !== first)
  if (old.length === 0) return fine('keys', 'all sessions use the first key of the key file')
  const text = old.map(({ name, key }) => `${name} uses key ${key}`).join(', ')
  return warning('keys', text, 'give it the same key file, first key first; SIGHUP; wait 10 s')
}

function checkVariables({ status }: SiteFacts): DoctorFinding {
  const { count, complete } = status.variables
  if (!complete) {
    const text = 'not all of them are known here yet'
    return warning('variables', text, 'that takes a second once a majority is heard')
  }
  const other = status.peers.filter(({ copy }) => copy?.agrees === false).map(({ name }) => name)
  const rest = other.length === 0 ? '' : `; ${other.join(', ')} is about to learn what differs`
  return fine('variables', `${count} are set, all known here${rest}`)
}

function checkLimits({ status, connections, file: { limits } }: SiteFacts): DoctorFinding {
  const { count, bytes } = status.variables
  const near = [
    ['variables', count, limits.variables.names],
    ['bytes of variables', bytes, limits.variables.bytes],
    ['connections', connections, limits.connections],
  ] as const
  const said = near.filter(([, is, most]) => is >= most * NEARLY)
  if (said.length === 0) return fine('limits', 'far from all of them')
  const text = said.map(([what, is, most]) => `${is} of ${most} ${what}`).join(', ')
  return warning('limits', text, 'what is beyond is refused: docs/operations.md, Limits')
}

function describe({ name, silent, state }: PeerStatus): string {
  if (state !== 'silent') return name
  return silent === undefined ? `${name} (never)` : `${name} (for ${Math.round(silent / 1000)} s)`
}

function nameOf({ hosts }: HostsFile, id: number): string {
  return hosts.find(host => host.id === id)?.name ?? String(id)
}
