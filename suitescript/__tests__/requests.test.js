const { Account } = require('./support/account');
const { CHALLENGE, installRequest, keyPair } = require('./support/factories');
const { call, misfits } = require('./support/restlet');

const { pem } = keyPair();
const [certificatePem, keyPem] = pem.split(/(?=-----BEGIN PRIVATE)/);
const install = (changes) => installRequest({ pem, ...changes });

beforeEach(() => jest.useFakeTimers({ now: new Date('2026-11-23T20:00:00Z') }));

function refusal(body) {
  const account = new Account();
  const reply = call(body);
  expect(account.calls).toEqual([]);
  expect(reply.error.code).toBe('INVALID_REQUEST');
  return reply.error.message;
}

describe('a body that is not a request', () => {
  test.each([[undefined], [null], ['{"action":"report"}'], [7], [[{ action: 'report' }]]])('%j is refused', (body) => {
    expect(refusal(body)).toBe('The body must be a JSON object sent as application/json');
  });

  test.each([[{}], [{ action: 'delete' }], [{ action: 'constructor' }], [{ action: ['report'] }]])(
    '%j has no known action',
    (body) => {
      expect(refusal(body)).toBe('Field "action" must be one of report, sign, install');
    }
  );
});

describe('a field that breaks its rule', () => {
  const rules = {
    account: 'must be a NetSuite account ID such as 1234567_SB1',
    challenge: 'must be 32 bytes as 43 characters of base64url',
    pem: 'must be one PEM certificate followed by its unencrypted PKCS#8 private key',
    deadline: 'must be a UTC time such as 2026-11-23T20:15:00Z',
    create: 'must be true or false',
  };
  const emptyKey = `${certificatePem}-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n`;

  test.each([
    ['account', undefined],
    ['account', ''],
    ['account', '1234567/SB1'],
    ['challenge', undefined],
    ['challenge', 43],
    ['challenge', [CHALLENGE]],
    ['challenge', ''],
    ['challenge', CHALLENGE.slice(1)],
    ['challenge', `${CHALLENGE}A`],
    ['challenge', `${CHALLENGE.slice(1)}+`],
    ['challenge', `${CHALLENGE}\n`],
    ['pem', undefined],
    ['pem', [pem]],
    ['pem', certificatePem],
    ['pem', keyPem],
    ['pem', keyPem + certificatePem],
    ['pem', certificatePem + pem],
    ['pem', emptyKey],
    ['pem', pem.replace(/PRIVATE KEY/g, 'ENCRYPTED PRIVATE KEY')],
    ['pem', pem.replace(/PRIVATE KEY/g, 'RSA PRIVATE KEY')],
    ['pem', `${pem}trailing`],
    ['deadline', undefined],
    ['deadline', 1795464900],
    ['deadline', 'soon'],
    ['deadline', '2026-11-23'],
    ['deadline', '2026-11-23T20:15:00'],
    ['deadline', '2026-11-23T20:15:00+00:00'],
    ['deadline', '2026-13-23T20:15:00Z'],
    ['deadline', '2027-02-30T20:15:00Z'],
    ['create', undefined],
    ['create', 'false'],
    ['create', null],
  ])('%s = %j is refused with the rule, without the value', (field, value) => {
    expect(refusal({ ...install(), [field]: value })).toBe(`Field "${field}" ${rules[field]}`);
  });

  test('that is unknown is refused', () => {
    expect(refusal(install({ password: 'secret' }))).toBe(
      'The fields must be exactly action, account, challenge, pem, deadline, create'
    );
    expect(refusal({ action: 'report', challenge: CHALLENGE })).toBe('The fields must be exactly action');
  });
});

describe('the schema', () => {
  test.each([['2026-11-23T20:15:00Z'], ['2026-11-23T20:15:00.500Z']])('and the RESTlet both accept %s', (deadline) => {
    new Account();
    expect(misfits('request', install({ deadline }))).toEqual([]);
    expect(call(install({ deadline })).outcome).toBe('done');
  });

  test.each([
    ['challenge', `${CHALLENGE}A`],
    ['pem', certificatePem],
    ['pem', pem.replace(/PRIVATE KEY/g, 'ENCRYPTED PRIVATE KEY')],
    ['deadline', '2026-11-23T20:15:00+00:00'],
    ['deadline', '2027-02-30T20:15:00Z'],
    ['create', 'false'],
    ['password', 'secret'],
  ])('refuses %s = %j, like the RESTlet', (field, value) => {
    const body = install({ [field]: value });
    expect(misfits('request', body)).not.toEqual([]);
    expect(refusal(body)).toEqual(expect.any(String));
  });

  test('refuses a reply with an extra field', () => {
    expect(misfits('reply', { outcome: 'done', action: 'sign', signature: 'AA==' })).toEqual([]);
    expect(misfits('reply', { outcome: 'done', action: 'sign', signature: 'AA==', pem: 'AA==' })).not.toEqual([]);
  });
});
