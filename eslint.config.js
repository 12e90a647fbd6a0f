// Only the rules that need types and that the fast linter does not have.
import tseslint from 'typescript-eslint';

const projects = ['./tsconfig.json', './test/tsconfig.json'];

export default [
  {
    ignores: [
      'dist/',
      'dist-test/',
      'build/',
      'node_modules/',
      'test/interop/clients/',
      'bench/rivals/',
    ],
  },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    languageOptions: { parser: tseslint.parser, parserOptions: { project: projects } },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        // tap awaits its own subtests.
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              name: ['test', 'rejects', 'resolves', 'resolveMatch'],
              package: '@tapjs/test',
            },
          ],
        },
      ],
      '@typescript-eslint/no-misused-promises': 'error',
    },
  },
];
