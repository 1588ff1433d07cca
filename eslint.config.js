import tseslint from 'typescript-eslint'

/** The layers that run unchanged in the daemon and in the simulator: no I/O, no clock, no chance. */
const pure = [
  'src/lib/**',
  'src/transport/**',
  'src/core/**',
  'src/node.ts',
  'src/trace.ts',
  'src/sim/**',
]

export default tseslint.config(
  { ignores: ['dist', 'coverage', '*.config.js'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // A default that names no case calls `unreachable`, which the compiler checks; else it is meant.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Indices and flags that the compiler cannot follow through callbacks.
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: true },
      ],
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'max-lines-per-function': ['error', { max: 70, skipComments: true, skipBlankLines: true }],
      eqeqeq: 'error',
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
    },
  },
  {
    files: pure,
    // The command lines of the simulator.
    ignores: ['src/sim/main.ts', 'src/sim/explore-main.ts'],
    rules: {
      'no-restricted-globals': ['error', 'Date', 'Intl', 'WeakRef', 'FinalizationRegistry'],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Chance comes from lib/random.ts, seeded.' },
        { property: 'localeCompare', message: 'It depends on the machine: compare with <.' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: ':function[async=true]', message: 'The pure layers are synchronous.' },
        { selector: 'AwaitExpression', message: 'The pure layers are synchronous.' },
      ],
    },
  },
  {
    files: ['test/**'],
    rules: {
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
)
