const fs = require('fs');
const path = require('path');
const { parseStringPromise } = require('xml2js');

const SOURCE = path.join(__dirname, '..', 'src');
const parsed = (name) => parseStringPromise(fs.readFileSync(path.join(SOURCE, name)), { explicitArray: false });

describe('the deployment', () => {
  let restlet;
  let deployment;

  beforeAll(async () => {
    ({ restlet } = await parsed('Objects/customscript_keyturn_restlet.xml'));
    deployment = restlet.scriptdeployments.scriptdeployment;
  });

  test('has the script and deployment IDs that Keyturn calls', () => {
    expect([restlet.$.scriptid, deployment.$.scriptid]).toEqual([
      'customscript_keyturn_restlet',
      'customdeploy_keyturn_restlet',
    ]);
  });

  test('is released and enabled: SDF would otherwise leave it in testing, where no integration reaches it', () => {
    expect([deployment.status, deployment.isdeployed, restlet.isinactive]).toEqual(['RELEASED', 'T', 'F']);
  });

  test('is open to the role of this project only', () => {
    expect([deployment.audslctrole, deployment.allroles, deployment.allemployees]).toEqual([
      '[scriptid=customrole_keyturn]',
      'F',
      'F',
    ]);
  });

  test('logs audit entries and errors, and nothing below them', () => {
    expect(deployment.loglevel).toBe('AUDIT');
  });

  test('runs the script file of this project', () => {
    const [, scriptFile] = /^\[(.+)\]$/.exec(restlet.scriptfile);
    expect(fs.existsSync(path.join(SOURCE, 'FileCabinet', scriptFile))).toBe(true);
  });
});

describe('the role', () => {
  test('has exactly the permissions that the README explains', async () => {
    const { role } = await parsed('Objects/customrole_keyturn.xml');
    const granted = role.permissions.permission.map(({ permkey, permlevel }) => `\`${permkey}\` | ${permlevel}`);
    const readme = fs.readFileSync(path.join(SOURCE, '..', 'README.md'), 'utf8');
    const justified = readme.match(/`(ADMI|LIST)_\w+` \| (VIEW|CREATE|EDIT|FULL)/g);
    expect(role.$.scriptid).toBe('customrole_keyturn');
    expect(granted.sort()).toEqual(justified.sort());
  });

  test('is not for web services only: such a role cannot call a RESTlet', async () => {
    const { role } = await parsed('Objects/customrole_keyturn.xml');
    expect(role.iswebserviceonlyrole).toBe('F');
  });
});

describe('the project', () => {
  test('is an account customization that needs server scripts', async () => {
    const { manifest } = await parsed('manifest.xml');
    expect(manifest.$.projecttype).toBe('ACCOUNTCUSTOMIZATION');
    expect(manifest.dependencies.features.feature).toEqual({ _: 'SERVERSIDESCRIPTING', $: { required: 'true' } });
  });

  test('deploys its script folder and its objects', async () => {
    const { deploy } = await parsed('deploy.xml');
    expect(deploy).toEqual({
      files: { path: '~/FileCabinet/SuiteScripts/Keyturn/*' },
      objects: { path: '~/Objects/*' },
    });
  });
});
