import { lockSocketPath, lockState } from '../../src/daemon/locks.ts'

// Takes the state folder and the socket path it is given, says so, and stays.
const [state = '', socket = ''] = process.argv.slice(2)
await lockState(state, 'the holder')
await lockSocketPath(socket, 'the holder')
process.stdout.write('held\n')
setInterval(() => undefined, 1000)
