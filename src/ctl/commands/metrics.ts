import { asking, command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { print, printJson } from '../output.ts'

/** Counters, for a time series database. */
export const metrics: Command = command(
  {
    name: 'metrics',
    operands: [],
    usage: ['metrics'],
    summary:
      'Prints counters, gauges and histograms of this host in the text format of Prometheus.',
    options: {},
    examples: [
      ['lamportctl metrics', 'all of them, each with a line of help'],
      ['lamportctl metrics | promtool check metrics', ''],
      ['lamportctl metrics | sponge /var/lib/prometheus/node-exporter/lamport.prom', 'from cron'],
    ],
    notes: 'Times are in seconds, sizes in bytes; what ends in _total counts from the start.',
  },
  async (options, operands) => {
    if (operands.length > 0) return usageError('metrics', 'metrics takes no operand')
    const result = await asking(options, client => client.metrics())
    if (options.flag('json')) printJson(result)
    else print(result.text.trimEnd())
    return Exit.done
  },
)
