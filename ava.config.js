export default {
  files: ['dist/test/**/*.test.js'],
  // Real processes: the tests send signals, read exit codes and hand descriptors on.
  workerThreads: false,
  timeout: '120s',
  nodeArguments: ['--enable-source-maps'],
}
