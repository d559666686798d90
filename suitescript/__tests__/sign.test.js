const crypto = require('crypto');
const { Account, suiteScriptError } = require('./support/account');
const { CHALLENGE, keyPair, placeholder } = require('./support/factories');
const { callValid, post } = require('./support/restlet');

const request = { action: 'sign', challenge: CHALLENGE };
const pair = keyPair();
const verifies = (text, signature) =>
  crypto.verify('SHA256', Buffer.from(text), pair.publicKey, Buffer.from(signature, 'base64'));

function accountWithKey() {
  return new Account({ certificates: [{ ...placeholder(), file: { name: 'current.pem', contents: pair.pem } }] });
}

describe('sign', () => {
  test('signs the prefix and the challenge with the key of the record', () => {
    accountWithKey();
    const { signature, ...rest } = callValid(request);
    expect(rest).toEqual({ outcome: 'done', action: 'sign' });
    expect(verifies(`keyturn-challenge-v1:${CHALLENGE}`, signature)).toBe(true);
  });

  test('never signs the challenge alone', () => {
    accountWithKey();
    expect(verifies(CHALLENGE, callValid(request).signature)).toBe(false);
  });

  test('changes nothing and reads no file', () => {
    const account = accountWithKey();
    callValid(request);
    expect(account.calls).toEqual(['certificate.createSigner', 'Signer.sign']);
  });

  test.each(['"', "'"])('is refused as CERTIFICATE_NOT_FOUND when NetSuite’s message quotes the ID with %s', (quote) => {
    const account = accountWithKey();
    const message = `Certificate ${quote}custcertificate_oa_realtime${quote} not found`;
    account.fail('certificate.createSigner', suiteScriptError('ANY_NAME', message));
    expect(callValid(request)).toEqual({
      outcome: 'refused',
      error: { code: 'CERTIFICATE_NOT_FOUND', message: 'Certificate "custcertificate_oa_realtime" not found' },
    });
  });

  test('is refused as SIGNING_FAILED when the record has no usable key', () => {
    const account = accountWithKey();
    account.fail('Signer.sign', suiteScriptError('INVALID_KEY', 'The certificate has no private key'));
    expect(callValid(request).error).toEqual({
      code: 'SIGNING_FAILED',
      message: 'INVALID_KEY: The certificate has no private key',
    });
  });

  test('is refused as NOT_PERMITTED when the record is restricted to other employees or scripts', () => {
    const account = accountWithKey();
    account.fail('certificate.createSigner', suiteScriptError('ACCESS_TO_CERTIFICATE_RESTRICTED', 'Restricted.'));
    expect(callValid(request).error.code).toBe('NOT_PERMITTED');
  });

  test.each(['SSS_REQUEST_LIMIT_EXCEEDED', 'WS_CONCUR_SESSION_DISALLWD', 'WS_REQUEST_BLOCKED'])(
    'rethrows the throttle %s unchanged, so that NetSuite answers with HTTP 400',
    (name) => {
      const account = accountWithKey();
      const throttle = suiteScriptError(name, 'Request limit exceeded.');
      account.fail('certificate.createSigner', throttle);
      expect(() => post(request)).toThrow(throttle);
    }
  );
});
