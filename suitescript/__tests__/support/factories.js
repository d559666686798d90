const crypto = require('crypto');

const CHALLENGE = 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA';
const FOLDER = 'Keyturn private files of user 42';

/** Creates an RSA key pair and its PEM as Keyturn uploads it. The certificate block is filler: no test reads it. */
function keyPair() {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const filler = publicKey.export({ type: 'spki', format: 'pem' }).replace(/PUBLIC KEY/g, 'CERTIFICATE');
  return { publicKey, pem: filler + privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

/** Returns the record that the add-on bundle ships: its certificate is not valid. */
function placeholder() {
  return {
    id: 'custcertificate_oa_realtime',
    name: 'OpenAir real-time',
    file: { name: 'openair-certificate.pem', contents: '' },
    validFrom: null,
    validTo: null,
  };
}

function installRequest(changes = {}) {
  return {
    action: 'install',
    account: '1234567_SB1',
    challenge: CHALLENGE,
    pem: changes.pem || keyPair().pem,
    deadline: '2026-11-23T20:15:00Z',
    create: false,
    ...changes,
  };
}

module.exports = { CHALLENGE, FOLDER, keyPair, placeholder, installRequest };
