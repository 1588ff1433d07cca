import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { copyright } from './copyright.ts'

/** A file of the package, or a link that leads to another. */
export type Item =
  | { readonly path: string; readonly bytes: Uint8Array; readonly mode: number }
  | { readonly path: string; readonly target: string }

const PROGRAMS = { 'usr/sbin/lamportd': 'lamportd.cjs', 'usr/bin/lamportctl': 'lamportctl.cjs' }
const HOME = 'usr/lib/lamportd'
const DOC = 'usr/share/doc/lamportd'

/** What is configuration: dpkg asks before it replaces what somebody has changed. */
export const CONFFILES: readonly string[] = ['etc/default/lamportd']

/** Everything that the package installs, but for its native part. `root`: of the built sources. */
export function contents(root: string): readonly Item[] {
  const read = (path: string): Buffer => readFileSync(join(root, path))
  const plain = (path: string, source: string): Item => file(path, read(source))
  const packed = (path: string, source: string): Item => file(path, gzip(read(source)))
  return [
    ...readdirSync(join(root, 'dist'))
      .filter(name => /^lamport.*\.cjs$/.test(name))
      .map(name => program(name, read(join('dist', name)))),
    ...Object.entries(PROGRAMS).map(([path, name]) => ({
      path,
      target: `../lib/lamportd/${name}`,
    })),
    plain('usr/lib/systemd/system/lamportd.service', 'systemd/lamportd.service'),
    plain('usr/lib/sysusers.d/lamportd.conf', 'systemd/lamportd.sysusers'),
    plain('usr/lib/tmpfiles.d/lamportd.conf', 'systemd/lamportd.tmpfiles'),
    plain('etc/default/lamportd', 'systemd/lamportd.default'),
    ...pages(root),
    ...completions(root),
    file(`${DOC}/copyright`, Buffer.from(copyright(root))),
    packed(`${DOC}/changelog.gz`, 'CHANGELOG.md'),
    packed(`${DOC}/README.md.gz`, 'README.md'),
    plain(`${DOC}/examples/hosts.yml`, 'hosts.yml'),
    ...readdirSync(join(root, 'systemd/examples')).map(name =>
      plain(`${DOC}/examples/${name}`, join('systemd/examples', name)),
    ),
  ]
}

/** lmdb's native part, where src/daemon/lmdb-binary.ts looks first. */
export function nativeItem(bytes: Uint8Array): Item {
  return file(`${HOME}/lmdb.node`, bytes)
}

function pages(root: string): readonly Item[] {
  return readdirSync(join(root, 'dist/man')).map(name => {
    const section = name.slice(name.lastIndexOf('.') + 1)
    const page = gzip(readFileSync(join(root, 'dist/man', name)))
    return file(`usr/share/man/man${section}/${name}.gz`, page)
  })
}

/** Where each shell looks for what completes a command's lines. */
const COMPLETIONS = {
  bash: 'usr/share/bash-completion/completions/lamportctl',
  zsh: 'usr/share/zsh/vendor-completions/_lamportctl',
  fish: 'usr/share/fish/vendor_completions.d/lamportctl.fish',
}

function completions(root: string): readonly Item[] {
  return Object.entries(COMPLETIONS).map(([shell, path]) => {
    const args = [join(root, 'dist/lamportctl.cjs'), 'completion', shell]
    return file(path, execFileSync(process.execPath, args))
  })
}

/** With Debian's Node, wherever $PATH leads. */
function program(name: string, bytes: Buffer): Item {
  const code = bytes.toString().replace(/^#!.*\n/, '#!/usr/bin/node\n')
  return { path: `${HOME}/${name}`, bytes: Buffer.from(code), mode: 0o755 }
}

function file(path: string, bytes: Uint8Array): Item {
  return { path, bytes, mode: 0o644 }
}

function gzip(bytes: Uint8Array): Buffer {
  return gzipSync(bytes, { level: 9 })
}
