/** A key of hosts.yml: what its value looks like, and what it says. */
export type FieldSpec = readonly [key: string, value: string, describe: string]

export const FILE_FIELDS: readonly FieldSpec[] = [
  ['cluster', 'NAME', 'a-z, 0-9 and -, 1 to 63; hosts of another cluster are refused'],
  ['port', 'NUMBER', 'the UDP port of hosts that name none; 7411 by default'],
  ['key', 'FILE', 'the cluster key, relative to this file; needed beyond loopback'],
  ['timing', 'MAP', 'see TIMING; all of it has defaults'],
  ['limits', 'MAP', 'see LIMITS; all of it has defaults'],
  ['hosts', 'LIST', 'a line a host, see HOSTS'],
]

export const HOST_FIELDS: readonly FieldSpec[] = [
  ['id', 'NUMBER', '1 to 1023, unique, and never given to another box'],
  ['name', 'NAME', "unique; without --id a host is the one with this machine's name"],
  ['address', 'ADDRESS', 'IPv4, IPv6 or a name; all addresses of a file are of one family'],
  ['port', 'NUMBER', 'where it differs from port: of the file'],
  ['votes', 'NUMBER', '0 to 100, 1 by default; more than half of all votes are a majority'],
  ['bind', 'ADDRESS', 'what the host itself binds in place of its address'],
]

export const TIMING_FIELDS: readonly FieldSpec[] = [
  ['heartbeat', 'DURATION', '150ms by default; above 15 hosts it is stretched'],
  ['suspect', 'DURATION', 'silence after which a host is left out; 1200ms by default'],
  [
    'lease',
    'DURATION',
    'how long a host that hears no majority keeps its locks; 2000ms by default',
  ],
  ['drift', 'PERCENT', 'how much faster one clock may run than another; 2% by default'],
]

/** Each can be lowered, for a board with little memory. */
export const LIMITS_FIELDS: readonly FieldSpec[] = [
  ['connections', 'NUMBER', 'of clients to the control socket; 1024 by default'],
  ['requests', 'NUMBER', 'under way and locks held, of one connection; 10000 by default'],
  ['variables', 'NUMBER', 'names of variables that this host lets be set; 20000 by default'],
  ['values', 'NUMBER', 'MiB of all values together that it lets be set; 64 by default'],
]

/** The keys alone. */
export function keysOf(fields: readonly FieldSpec[]): readonly string[] {
  return fields.map(([key]) => key)
}
