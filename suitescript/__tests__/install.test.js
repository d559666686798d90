const crypto = require('crypto');
const { Account, suiteScriptError } = require('./support/account');
const { CHALLENGE, FOLDER, installRequest, keyPair } = require('./support/factories');
const { callValid, post } = require('./support/restlet');

const NOW = new Date('2026-11-23T20:00:00Z');
const KEY_FILE = `keyturn-${NOW.getTime()}-${CHALLENGE.slice(0, 8)}.pem`;
const pair = keyPair();
const install = (changes) => callValid(installRequest({ pem: pair.pem, ...changes }));
const signedHere = (signature) =>
  crypto.verify(
    'SHA256',
    Buffer.from(`keyturn-challenge-v1:${CHALLENGE}`),
    pair.publicKey,
    Buffer.from(signature, 'base64')
  );

beforeEach(() => jest.useFakeTimers({ now: NOW }));

describe('install', () => {
  test('replaces the certificate in place and signs the challenge with the new key', () => {
    const account = new Account();
    const { signature, ...rest } = install();
    expect(rest).toEqual({
      outcome: 'done',
      action: 'install',
      created: false,
      record: {
        scriptId: 'custcertificate_oa_realtime',
        name: 'OpenAir real-time',
        fileName: KEY_FILE,
        validFrom: null,
        validTo: null,
      },
    });
    expect(signedHere(signature)).toBe(true);
    expect(account.calls).not.toContain('certificateControl.createCertificate');
  });

  test('signs only after the key file is gone', () => {
    const account = new Account();
    install();
    const steps = ['Certificate.save', 'file.delete', 'Signer.sign'];
    expect(account.calls.filter((name) => steps.includes(name))).toEqual(steps);
  });

  test('keeps the key in a private folder of the caller, created on demand and reused', () => {
    const account = new Account();
    install();
    install();
    expect([...account.folders.values()]).toEqual([{ name: FOLDER, isprivate: true }]);
  });

  test('accepts a private folder whose checkbox NetSuite returns as T', () => {
    const account = new Account();
    account.addFolder(FOLDER, 'T');
    expect(install().outcome).toBe('done');
  });

  test.each(['1234567_SB1', '1234567-sb1', '1234567_sb1'])('knows its own account as %s', (account) => {
    new Account();
    expect(install({ account }).outcome).toBe('done');
  });

  test.each(['1234567', '1234567_SB2', '7654321'])('changes nothing for account %s', (wanted) => {
    const account = new Account();
    expect(install({ account: wanted }).error).toEqual({
      code: 'WRONG_ACCOUNT',
      message: `This is account 1234567_SB1, not ${wanted}; nothing was saved`,
      saved: false,
    });
    expect(account.calls).toEqual([]);
  });

  test('refuses to store the key in a folder that another user has made public', () => {
    const account = new Account();
    account.addFolder(FOLDER, false);
    expect(install().error).toEqual({
      code: 'FOLDER_NOT_PRIVATE',
      message: `Check the Private box of the folder "${FOLDER}", or delete the folder`,
      saved: false,
    });
    expect(account.calls).not.toContain('file.create');
  });

  test('removes the key file of an earlier call that was interrupted', () => {
    const account = new Account();
    account.addFile(`keyturn-${NOW.getTime() - 3600 * 1000}-abcdefgh.pem`, account.addFolder(FOLDER));
    expect(install().outcome).toBe('done');
    expect(account.fileNames()).toEqual([]);
  });
});

describe('a missing record', () => {
  test('is refused with the vendor’s message, and nothing is written, unless the caller allows creating it', () => {
    const account = new Account({ certificates: [] });
    expect(install()).toEqual({
      outcome: 'refused',
      error: {
        code: 'CERTIFICATE_NOT_FOUND',
        message: 'Certificate "custcertificate_oa_realtime" not found',
        saved: false,
      },
    });
    expect(account.calls).toEqual(['certificateControl.loadCertificate']);
  });

  test('is created with the vendor’s name and ID if the caller allows it', () => {
    const account = new Account({ certificates: [] });
    const reply = install({ create: true });
    expect(reply).toMatchObject({ created: true, record: { name: 'OpenAir real-time' } });
    expect(signedHere(reply.signature)).toBe(true);
    expect([...account.certificates.keys()]).toEqual(['custcertificate_oa_realtime']);
    expect(account.fileNames()).toEqual([]);
  });

  test('is not created if it exists, even if the caller allows it', () => {
    const account = new Account();
    expect(install({ create: true }).created).toBe(false);
    expect(account.calls).not.toContain('certificateControl.createCertificate');
  });

  test('is distinguished from a record that cannot be read', () => {
    const account = new Account();
    account.fail('certificateControl.loadCertificate', suiteScriptError('INSUFFICIENT_PERMISSION', 'No.'));
    expect(install({ create: true }).error.code).toBe('NOT_PERMITTED');
    expect(account.calls).toEqual(['certificateControl.loadCertificate']);
  });
});

describe('the deadline', () => {
  const passed = {
    code: 'DEADLINE_PASSED',
    message: 'The deadline 2026-11-23T20:15:00Z has passed; nothing was saved',
    saved: false,
  };

  test('still allows the request in its last millisecond', () => {
    new Account();
    jest.setSystemTime(new Date('2026-11-23T20:15:00.000Z'));
    expect(install().outcome).toBe('done');
  });

  test('refuses a request that arrives after it, before it changes anything', () => {
    const account = new Account();
    jest.setSystemTime(new Date('2026-11-23T20:15:00.001Z'));
    expect(install().error).toEqual(passed);
    expect(account.calls).toEqual([]);
  });

  test('refuses a request that reaches the save after it, and leaves no key file', () => {
    const account = new Account();
    account.beforeCall = (name) => {
      if (name === 'file.save') {
        jest.setSystemTime(new Date('2026-11-23T20:16:00Z'));
      }
    };
    expect(install().error).toEqual(passed);
    expect(account.calls).not.toContain('Certificate.save');
    expect(account.fileNames()).toEqual([]);
  });
});

describe('what a refusal says of the save', () => {
  test('nothing, if save() itself failed: it may have changed the record', () => {
    const account = new Account();
    account.fail('Certificate.save', suiteScriptError('CERTIFICATE_NOT_FOUND', 'No.'));
    expect(install().error).not.toHaveProperty('saved');
  });

  test('nothing, if the call is no install', () => {
    new Account({ certificates: [] });
    expect(callValid({ action: 'sign', challenge: CHALLENGE }).error).not.toHaveProperty('saved');
  });

  test('that nothing was saved, if a permission was missing before', () => {
    const account = new Account();
    account.fail('file.save', suiteScriptError('INSUFFICIENT_PERMISSION', 'No.'));
    expect(install().error).toMatchObject({ code: 'NOT_PERMITTED', saved: false });
  });
});

describe('when something fails', () => {
  test('a file that NetSuite does not accept is refused as INVALID_CERTIFICATE, and removed', () => {
    const account = new Account();
    account.fail('Certificate.save', suiteScriptError('INVALID_FILE', 'The file cannot be read.'));
    expect(install()).toEqual({
      outcome: 'refused',
      error: { code: 'INVALID_CERTIFICATE', message: 'INVALID_FILE: The file cannot be read.' },
    });
    expect(account.fileNames()).toEqual([]);
  });

  test('a file that cannot be stored is refused as UNEXPECTED, and no certificate changes', () => {
    const account = new Account();
    account.fail('file.save', suiteScriptError('STORAGE_FULL', 'No room.'));
    expect(install().error).toEqual({ code: 'UNEXPECTED', message: 'STORAGE_FULL: No room.', saved: false });
    expect(account.calls).not.toContain('Certificate.save');
  });

  test('a key file that cannot be removed is named in a warning; the certificate stays installed', () => {
    const account = new Account();
    account.fail('file.delete', suiteScriptError('INSUFFICIENT_PERMISSION', 'No.'));
    const reply = install();
    expect(signedHere(reply.signature)).toBe(true);
    const message =
      `Delete the key file "${KEY_FILE}" in the folder "${FOLDER}" by hand, its removal failed: ` +
      'INSUFFICIENT_PERMISSION: No.';
    expect(reply.warnings).toEqual([{ about: 'KEY_FILE', message }]);
    expect(account.logged()).toContain(KEY_FILE);
  });

  test('a key file that cannot be removed after a refused save is reported with the refusal', () => {
    const account = new Account();
    account.fail('Certificate.save', suiteScriptError('INVALID_FILE', 'The file cannot be read.'));
    account.fail('file.delete', suiteScriptError('INSUFFICIENT_PERMISSION', 'No.'));
    const reply = install();
    expect(reply.error.code).toBe('INVALID_CERTIFICATE');
    expect(reply.warnings).toEqual([
      { about: 'KEY_FILE', message: expect.stringContaining(`Delete the key file "${KEY_FILE}"`) },
    ]);
  });

  test('and the removal fails, a call at least ten minutes later removes the file', () => {
    const account = new Account();
    account.fail('file.delete', suiteScriptError('UNEXPECTED_ERROR', 'Busy.'));
    install();
    account.stopFailing('file.delete');
    jest.setSystemTime(NOW.getTime() + 601 * 1000);
    callValid({ action: 'report' });
    expect(account.fileNames()).toEqual([]);
  });

  test('in the signature after the save, the refusal says that the certificate is in place', () => {
    const account = new Account();
    account.fail('Signer.sign', suiteScriptError('INVALID_KEY', 'Unusable.'));
    expect(install()).toEqual({
      outcome: 'refused',
      error: { code: 'SIGNING_FAILED', message: 'INVALID_KEY: Unusable.', saved: true },
    });
    expect(account.certificates.get('custcertificate_oa_realtime').file.contents).toBe(pair.pem);
  });

  test('in reading the record after the save, the reply still contains the signature', () => {
    const account = new Account();
    account.fail('certificateControl.findCertificates', suiteScriptError('UNEXPECTED_ERROR', 'Busy.'));
    const reply = install();
    expect(signedHere(reply.signature)).toBe(true);
    expect(reply.record).toBeNull();
    expect(reply.warnings).toEqual([
      { about: 'RECORD', message: 'Could not read the record after saving it: UNEXPECTED_ERROR: Busy.' },
    ]);
  });

  test('because NetSuite throttles the signature after the save, the refusal says that the certificate is saved', () => {
    const account = new Account();
    account.fail('Signer.sign', suiteScriptError('SSS_REQUEST_LIMIT_EXCEEDED', 'Request limit exceeded.'));
    expect(install().error).toEqual({
      code: 'SIGNING_FAILED',
      message: 'SSS_REQUEST_LIMIT_EXCEEDED: Request limit exceeded.',
      saved: true,
    });
  });

  test('because NetSuite throttles the save, it is refused: the record may have changed before', () => {
    const account = new Account();
    account.fail('Certificate.save', suiteScriptError('SSS_REQUEST_LIMIT_EXCEEDED', 'Request limit exceeded.'));
    expect(install().error).toEqual({
      code: 'UNEXPECTED',
      message: 'SSS_REQUEST_LIMIT_EXCEEDED: Request limit exceeded.',
    });
    expect(account.fileNames()).toEqual([]);
  });

  test.each(['certificateControl.loadCertificate', 'file.save'])(
    'because NetSuite throttles %s, the throttle is rethrown and no key file remains',
    (name) => {
      const account = new Account();
      const throttle = suiteScriptError('SSS_REQUEST_LIMIT_EXCEEDED', 'Request limit exceeded.');
      account.fail(name, throttle);
      expect(() => post(installRequest({ pem: pair.pem }))).toThrow(throttle);
      expect(account.fileNames()).toEqual([]);
    }
  );
});
