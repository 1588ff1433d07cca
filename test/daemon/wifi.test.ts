import test from 'ava'
import { createLog } from '../../src/daemon/log.ts'
import { radio, warnOfPowerSave } from '../../src/daemon/wifi.ts'
import type { Radio } from '../../src/daemon/wifi.ts'

async function told(change: Partial<Radio>): Promise<string[]> {
  const lines: string[] = []
  const log = createLog(line => lines.push(line), false)
  const asleep: Radio = {
    interfaceOf: ip => (ip === '10.0.0.7' ? 'wlan0' : undefined),
    isWireless: name => name === 'wlan0',
    powerSave: () => Promise.resolve('Power save: on\n'),
  }
  await warnOfPowerSave('10.0.0.7', log, { ...asleep, ...change })
  return lines
}

test('a radio that saves power is warned about, with the command that stops it', async t => {
  t.deepEqual(await told({}), [
    'lamportd: wlan0 saves power: packets wait for its radio, often for 100 ms and more ' +
      '(iw dev wlan0 set power_save off)\n',
  ])
})

test('nothing is said of a radio that is awake, of a cable, or where there is no iw', async t => {
  t.deepEqual(await told({ powerSave: () => Promise.resolve('Power save: off\n') }), [])
  t.deepEqual(await told({ isWireless: () => false }), [])
  t.deepEqual(await told({ interfaceOf: () => undefined }), [])
  t.deepEqual(await told({ powerSave: () => Promise.reject(new Error('ENOENT')) }), [])
})

test('this machine can be asked', t => {
  t.is(radio.interfaceOf('127.0.0.1'), 'lo')
  t.false(radio.isWireless('lo'))
})
