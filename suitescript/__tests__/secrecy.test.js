const { Account, suiteScriptError } = require('./support/account');
const { installRequest, keyPair } = require('./support/factories');
const { call } = require('./support/restlet');

const { pem } = keyPair();
const secrets = pem.slice(pem.indexOf('-----BEGIN PRIVATE')).split('\n').filter(Boolean);
const withheld = 'details withheld, they may quote a private key';

beforeEach(() => jest.useFakeTimers({ now: new Date('2026-11-23T20:00:00Z') }));

/** Returns the lines of the private key that occur in the reply or in the execution log. */
function leaked(account, reply) {
  const said = JSON.stringify(reply) + account.logged();
  return secrets.filter((line) => said.includes(line));
}

describe('the private key', () => {
  test('is in neither the reply nor the log of a successful install', () => {
    const account = new Account();
    const reply = call(installRequest({ pem }));
    expect(reply.outcome).toBe('done');
    expect(log.audit).toHaveBeenCalledTimes(1);
    expect(leaked(account, reply)).toEqual([]);
  });

  test.each([
    'certificateControl.loadCertificate',
    'certificateControl.findCertificates',
    'search.create',
    'Folder.save',
    'record.load',
    'file.create',
    'file.save',
    'file.load',
    'file.delete',
    'Certificate.save',
    'certificate.createSigner',
    'Signer.sign',
  ])('is withheld when the error of %s quotes the whole key', (name) => {
    const account = new Account();
    account.fail(name, suiteScriptError('UNEXPECTED_ERROR', `Cannot handle: ${pem}`));
    const reply = call(installRequest({ pem }));
    expect(JSON.stringify(reply)).toContain(withheld);
    expect(leaked(account, reply)).toEqual([]);
  });

  test.each([
    ['its first few letters', `${secrets[0]}\n${secrets[1].slice(0, 12)}`],
    ['a line from its middle', secrets[3]],
  ])('is withheld when an error quotes %s', (part, quoted) => {
    const account = new Account();
    account.fail('Certificate.save', suiteScriptError('UNEXPECTED_ERROR', `Cannot read: ${quoted}`));
    const reply = call(installRequest({ pem }));
    expect(reply.error).toEqual({ code: 'INVALID_CERTIFICATE', message: withheld });
    expect(leaked(account, reply)).toEqual([]);
  });

  test.each(['action', 'challenge', 'deadline', 'create', 'extra'])('is not quoted when sent as %s', (field) => {
    const account = new Account();
    const reply = call({ ...installRequest({ pem }), [field]: pem });
    expect(reply.error.code).toBe('INVALID_REQUEST');
    expect(leaked(account, reply)).toEqual([]);
  });
});
