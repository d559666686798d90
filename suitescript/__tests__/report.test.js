const { Account, suiteScriptError } = require('./support/account');
const { FOLDER } = require('./support/factories');
const { callValid } = require('./support/restlet');

const NOW = new Date('2026-11-23T20:00:00Z');
const report = () => callValid({ action: 'report' });

beforeEach(() => jest.useFakeTimers({ now: NOW }));

describe('report', () => {
  test('contains the record, the account, the role, both bundles and the time', () => {
    new Account({
      certificates: [
        {
          id: 'custcertificate_oa_realtime',
          name: 'OpenAir real-time',
          file: { name: 'keyturn.pem' },
          validFrom: new Date('2026-01-01T00:00:00Z'),
          validTo: new Date('2027-01-01T00:00:00Z'),
        },
      ],
      bundles: [
        { id: 369630, version: '4.02' },
        { id: 1, version: '1' },
      ],
    });
    expect(report()).toEqual({
      outcome: 'done',
      action: 'report',
      record: {
        scriptId: 'custcertificate_oa_realtime',
        name: 'OpenAir real-time',
        fileName: 'keyturn.pem',
        validFrom: '2026-01-01T00:00:00.000Z',
        validTo: '2027-01-01T00:00:00.000Z',
      },
      environment: {
        accountId: '1234567_SB1',
        role: 'customrole_keyturn',
        bundles: [
          { id: '369630', installed: true, version: '4.02' },
          { id: '369637', installed: false, version: null },
        ],
        serverTime: '2026-11-23T20:00:00.000Z',
      },
    });
  });

  test('shows a bundle without a version as installed, with version null', () => {
    new Account({ bundles: [{ id: 369637 }] });
    expect(report().environment.bundles[1]).toEqual({ id: '369637', installed: true, version: null });
  });

  test('shows the placeholder certificate, whose dates NetSuite does not know, with null dates', () => {
    new Account();
    expect(report().record).toMatchObject({ fileName: 'openair-certificate.pem', validFrom: null, validTo: null });
  });

  test('is null if the record is missing, even if another record has the same name', () => {
    const namesake = { id: 'custcertificate_other', name: 'OpenAir real-time', file: { name: 'other.pem' } };
    new Account({ certificates: [namesake] });
    expect(report().record).toBeNull();
  });

  test('omits the bundles and warns if the role cannot list them', () => {
    const account = new Account();
    account.fail('suiteAppInfo.listInstalledBundles', suiteScriptError('INSUFFICIENT_PERMISSION', 'No.'));
    const reply = report();
    expect(reply.environment.bundles).toEqual([]);
    expect(reply.warnings).toEqual([
      { about: 'BUNDLES', message: 'Could not list the installed bundles: INSUFFICIENT_PERMISSION: No.' },
    ]);
  });

  test('is refused as NOT_PERMITTED if the role cannot see certificates', () => {
    const account = new Account();
    account.fail('certificateControl.findCertificates', suiteScriptError('INSUFFICIENT_PERMISSION', 'No.'));
    expect(report()).toEqual({
      outcome: 'refused',
      error: { code: 'NOT_PERMITTED', message: 'INSUFFICIENT_PERMISSION: No.' },
    });
  });

  test('is refused as UNEXPECTED if NetSuite fails in an unknown way', () => {
    const account = new Account();
    account.fail('certificateControl.findCertificates', suiteScriptError('UNEXPECTED_ERROR', 'Try again.'));
    expect(report().error).toEqual({ code: 'UNEXPECTED', message: 'UNEXPECTED_ERROR: Try again.' });
  });

  test('writes nothing to the File Cabinet', () => {
    const account = new Account();
    report();
    expect(account.calls).toEqual(expect.not.arrayContaining(['record.create', 'file.create', 'file.delete']));
  });
});

describe('key files of interrupted calls', () => {
  const minutesAgo = (minutes) => `keyturn-${NOW.getTime() - minutes * 60 * 1000}-abcd_-12.pem`;

  test('are removed when no running call can need them, and no other file is', () => {
    const account = new Account();
    const folder = account.addFolder(FOLDER);
    const elsewhere = account.addFolder('Elsewhere');
    account.addFile(minutesAgo(11), folder);
    account.addFile(minutesAgo(9), folder);
    account.addFile('notes.pem', folder);
    account.addFile(minutesAgo(12), elsewhere);
    expect(report()).not.toHaveProperty('warnings');
    expect(account.fileNames()).toEqual([minutesAgo(9), 'notes.pem', minutesAgo(12)]);
  });

  test('are named in a warning if they cannot be removed', () => {
    const account = new Account();
    account.addFile(minutesAgo(11), account.addFolder(FOLDER));
    account.fail('file.delete', suiteScriptError('INSUFFICIENT_PERMISSION', 'No.'));
    const message =
      `Delete the key file "${minutesAgo(11)}" in the folder "${FOLDER}" by hand, its removal failed: ` +
      'INSUFFICIENT_PERMISSION: No.';
    expect(report().warnings).toEqual([{ about: 'KEY_FILE', message }]);
  });

  test('do not fail the report if they cannot be listed', () => {
    const account = new Account();
    account.fail('search.create', suiteScriptError('INSUFFICIENT_PERMISSION', 'No.'));
    const reply = report();
    expect(reply.outcome).toBe('done');
    expect(reply.warnings).toEqual([
      { about: 'KEY_FILE', message: 'Could not look for leftover key files: INSUFFICIENT_PERMISSION: No.' },
    ]);
  });
});
