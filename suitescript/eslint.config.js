const { fixupPluginRules } = require('@eslint/compat');
const js = require('@eslint/js');
const suitescript = require('eslint-plugin-suitescript');
const globals = require('globals');

module.exports = [
  { ignores: ['coverage/'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error' },
  },
  {
    files: ['src/**/*.js'],
    // The plugin targets ESLint 8. The fix-up gives its rules the context methods that ESLint 10 removed.
    plugins: { suitescript: fixupPluginRules(suitescript) },
    languageOptions: { ecmaVersion: 2022, sourceType: 'script', globals: { ...globals.amd, log: 'readonly' } },
    rules: suitescript.configs.all.rules,
  },
  {
    files: ['*.js', '__tests__/**/*.js'],
    languageOptions: { ecmaVersion: 2022, sourceType: 'commonjs', globals: globals.node },
  },
  { files: ['__tests__/**/*.js'], languageOptions: { globals: { ...globals.jest, log: 'writable' } } },
];
