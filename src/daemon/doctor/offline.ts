import { defaultStatePath } from '../../control/paths.ts'
import type { DoctorFinding, DoctorResult } from '../../control/protocol.ts'
import { chooseHost, thisMachine } from '../identity.ts'
import type { Options } from '../options.ts'
import { checkDisk, lookAtDisk } from './disk.ts'
import { checkHosts, checkKey, keyFileOf } from './files.ts'
import { fromText } from './finding.ts'
import { checkBuffers, checkFreePort, checkWifi, readBufferLimits } from './network.ts'

/** What files and this machine tell while no daemon runs: `lamportd --doctor`. */
export async function examineOffline(options: Options): Promise<DoctorResult> {
  const { file, findings: config } = checkHosts(options.hosts)
  const findings: DoctorFinding[] = [...config]
  if (file === undefined) return { findings: [...findings, checkBuffers(readBufferLimits())] }
  findings.push(checkKey(file, keyFileOf(options.hosts, file, options.key), options.insecure))
  const self = chooseHost(file, options.id, thisMachine())
  if ('problem' in self) {
    findings.push(fromText('config', 'failure', `${options.hosts}: ${self.problem}`))
    return { findings }
  }
  const ip = self.bind ?? (self.place.type === 'literal' ? self.place.ip : undefined)
  if (ip !== undefined) findings.push(await checkFreePort(ip, self.port), await checkWifi(ip))
  const state = options.state ?? defaultStatePath(self.name)
  findings.push(checkBuffers(readBufferLimits()), checkDisk(state, await lookAtDisk(state)))
  return { findings }
}
