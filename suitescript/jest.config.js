const SuiteCloud = require('@oracle/suitecloud-unit-testing/jest-configuration/SuiteCloudJestConfiguration');

module.exports = {
  ...SuiteCloud.build({
    projectFolder: 'src',
    projectType: SuiteCloud.ProjectType.ACP,
  }),
  testMatch: ['<rootDir>/__tests__/*.test.js'],
  restoreMocks: true,
  collectCoverageFrom: ['src/FileCabinet/**/*.js'],
  coverageThreshold: { global: { branches: 100, functions: 100, lines: 100, statements: 100 } },
};
