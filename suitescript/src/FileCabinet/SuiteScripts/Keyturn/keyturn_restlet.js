/**
 * The RESTlet through which Keyturn uses NetSuite. It reports on the certificate record that signs real-time record
 * imports, signs challenges with it, and replaces its certificate in place. schema/restlet.schema.json defines the
 * requests and replies.
 *
 * The order of steps in `install` matters. It saves nothing after the caller's deadline. It keeps the private key in a
 * private folder only while NetSuite reads it. It signs after it has deleted the file, so the signature also proves that
 * the record does not need the file. The script is a single file, so that you upload exactly what you reviewed.
 *
 * @NApiVersion 2.1
 * @NScriptType Restlet
 * @NModuleScope SameAccount
 */
define([
  'N/certificateControl',
  'N/crypto/certificate',
  'N/file',
  'N/record',
  'N/runtime',
  'N/search',
  'N/suiteAppInfo',
], function (certificateControl, certificate, file, record, runtime, search, suiteAppInfo) {
  const SCRIPT_ID = 'custcertificate_oa_realtime';
  const NOT_FOUND = `Certificate "${SCRIPT_ID}" not found`;

  // The values of the vendor's manual repair procedure. NetSuite puts "custcertificate" before the ID.
  const NEW_RECORD = { name: 'OpenAir real-time', scriptId: '_oa_realtime' };

  // The same key signs the import triggers. No trigger begins with this prefix, so a signed challenge can never serve as
  // a signed trigger.
  const CHALLENGE_PREFIX = 'keyturn-challenge-v1:';

  const BUNDLE_IDS = ['369630', '369637'];

  // Concurrency violations: https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/bridgehead_1525252812.html
  const THROTTLES = new Set(['SSS_REQUEST_LIMIT_EXCEEDED', 'WS_CONCUR_SESSION_DISALLWD', 'WS_REQUEST_BLOCKED']);
  const PERMISSION_ERRORS = new Set(['INSUFFICIENT_PERMISSION', 'ACCESS_TO_CERTIFICATE_RESTRICTED']);

  // A RESTlet can run for 300 seconds (.../section_161591009480.html), so no call needs a file that is twice as old.
  const LEFTOVER_AGE_MS = 600 * 1000;
  const KEY_FILE_NAME = /^keyturn-(\d{13})-[\w-]{8}\.pem$/;

  // What a warning is about. A key file that was left, or may have been, is a person's to delete.
  const KEY_FILE = 'KEY_FILE';
  const BUNDLES = 'BUNDLES';
  const RECORD = 'RECORD';

  /** A failure to report to the caller: one of the schema's codes, and a message without secrets. */
  class Refusal {
    /** `saved`: whether the record already had the new certificate; undefined if that is not known. */
    constructor(code, message, saved) {
      this.code = code;
      this.message = message;
      this.saved = saved;
    }
  }

  // ---- Requests ----------------------------------------------------------------------------------------------------

  const ACTIONS = new Map([
    ['report', { fields: [], run: report }],
    ['sign', { fields: ['challenge'], run: sign }],
    ['install', { fields: ['account', 'challenge', 'pem', 'deadline', 'create'], run: install }],
  ]);

  const FIELDS = {
    account: { accepts: isAccount, rule: 'must be a NetSuite account ID such as 1234567_SB1' },
    challenge: { accepts: isChallenge, rule: 'must be 32 bytes as 43 characters of base64url' },
    pem: { accepts: isPem, rule: 'must be one PEM certificate followed by its unencrypted PKCS#8 private key' },
    deadline: { accepts: isUtcTime, rule: 'must be a UTC time such as 2026-11-23T20:15:00Z' },
    create: { accepts: (value) => typeof value === 'boolean', rule: 'must be true or false' },
  };

  /** Returns the requested action. No message quotes the request: it may have a private key in the wrong field. */
  function parseRequest(body) {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new Refusal('INVALID_REQUEST', 'The body must be a JSON object sent as application/json');
    }
    const action = ACTIONS.get(body.action);
    if (!action) {
      throw new Refusal('INVALID_REQUEST', `Field "action" must be one of ${[...ACTIONS.keys()].join(', ')}`);
    }
    const broken = action.fields.find((name) => !FIELDS[name].accepts(body[name]));
    if (broken) {
      throw new Refusal('INVALID_REQUEST', `Field "${broken}" ${FIELDS[broken].rule}`);
    }
    if (Object.keys(body).length > action.fields.length + 1) {
      throw new Refusal('INVALID_REQUEST', `The fields must be exactly ${['action', ...action.fields].join(', ')}`);
    }
    return action;
  }

  function isAccount(value) {
    return typeof value === 'string' && /^[A-Za-z0-9]+([_-][A-Za-z0-9]+)?$/.test(value);
  }

  function isChallenge(value) {
    return typeof value === 'string' && /^[\w-]{43}$/.test(value);
  }

  function isPem(value) {
    const block = (label) => `-----BEGIN ${label}-----\\s[A-Za-z0-9+/=\\s]+-----END ${label}-----\\s*`;
    const pem = new RegExp(`^${block('CERTIFICATE')}${block('PRIVATE KEY')}$`);
    return typeof value === 'string' && pem.test(value);
  }

  function isUtcTime(value) {
    if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/.test(value)) {
      return false;
    }
    // JavaScript reads 30 February as 2 March. Only a valid date survives the round trip.
    const time = new Date(value);
    return !isNaN(time) && time.toISOString().slice(0, 19) === value.slice(0, 19);
  }

  // ---- Actions -----------------------------------------------------------------------------------------------------

  function report(request, warnings) {
    removeLeftovers(warnings);
    const environment = {
      accountId: runtime.accountId,
      role: runtime.getCurrentUser().roleId,
      bundles: listBundles(warnings),
      serverTime: new Date().toISOString(),
    };
    return { outcome: 'done', action: 'report', record: readRecord(), environment };
  }

  function sign({ challenge }) {
    return { outcome: 'done', action: 'sign', signature: signChallenge(challenge) };
  }

  function install(request, warnings) {
    const progress = { saving: false };
    try {
      return replaceCertificate(request, warnings, progress);
    } catch (error) {
      throw progress.saving ? error : unsaved(error);
    }
  }

  function replaceCertificate({ account, challenge, pem, deadline, create }, warnings, progress) {
    refuseElsewhere(account);
    refuseAfter(deadline);
    const existing = loadCertificate();
    if (!existing && !create) {
      throw new Refusal('CERTIFICATE_NOT_FOUND', NOT_FOUND);
    }
    removeLeftovers(warnings);
    withPrivateFile(pem, challenge, warnings, (pemFile) => {
      // Check again: storing the file took time, and a late save could overwrite a newer certificate.
      refuseAfter(deadline);
      progress.saving = true;
      refuseSave(() => buildCertificate(pemFile, existing).save());
    });
    const created = !existing;
    log.audit({ title: 'Keyturn installed a certificate', details: { scriptId: SCRIPT_ID, created } });
    const signature = refuseAsSaved(() => signChallenge(challenge));
    const saved = tryOrWarn(RECORD, 'Could not read the record after saving it', null, warnings, readRecord);
    return { outcome: 'done', action: 'install', signature, created, record: saved };
  }

  /** A sandbox that was copied, or a base URL of another account, must not take the certificate of this connection. */
  function refuseElsewhere(account) {
    const spelled = (id) => id.toUpperCase().replace('-', '_');
    if (spelled(account) !== spelled(runtime.accountId)) {
      throw new Refusal('WRONG_ACCOUNT', `This is account ${runtime.accountId}, not ${account}; nothing was saved`);
    }
  }

  function refuseAfter(deadline) {
    if (Date.now() > Date.parse(deadline)) {
      throw new Refusal('DEADLINE_PASSED', `The deadline ${deadline} has passed; nothing was saved`);
    }
  }

  // ---- The certificate record --------------------------------------------------------------------------------------

  function loadCertificate() {
    try {
      return certificateControl.loadCertificate({ scriptId: SCRIPT_ID });
    } catch (error) {
      if (isNotFound(error)) {
        return null;
      }
      throw error;
    }
  }

  function buildCertificate(pemFile, existing) {
    if (!existing) {
      return certificateControl.createCertificate({ ...NEW_RECORD, file: pemFile });
    }
    existing.file = pemFile;
    return existing;
  }

  /** Returns what NetSuite reports on the record, or null. Searches by ID, because users can change the name. */
  function readRecord() {
    const found = certificateControl.findCertificates().find(({ id }) => id === SCRIPT_ID);
    if (!found) {
      return null;
    }
    const { name, fileName, validFrom, validTo } = found;
    return { scriptId: SCRIPT_ID, name, fileName, validFrom: isoTime(validFrom), validTo: isoTime(validTo) };
  }

  function isoTime(date) {
    return date ? new Date(date).toISOString() : null;
  }

  function signChallenge(challenge) {
    return tryOrRefuse('SIGNING_FAILED', () => {
      const signer = certificate.createSigner({ certId: SCRIPT_ID, algorithm: certificate.HashAlg.SHA256 });
      signer.update({ input: CHALLENGE_PREFIX + challenge });
      return signer.sign();
    });
  }

  /** Returns both connector bundles; if the caller's role cannot list bundles, an empty list, with a warning. */
  function listBundles(warnings) {
    return tryOrWarn(BUNDLES, 'Could not list the installed bundles', [], warnings, () => {
      const all = suiteAppInfo.listInstalledBundles();
      return BUNDLE_IDS.map((id) => {
        const bundle = all.find((candidate) => String(candidate.id) === id);
        return { id, installed: Boolean(bundle), version: (bundle && bundle.version) || null };
      });
    });
  }

  // ---- The private file --------------------------------------------------------------------------------------------

  /** Calls `use` with a File Cabinet copy of `pem`. Removes the copy afterwards, also if `use` fails. */
  function withPrivateFile(pem, challenge, warnings, use) {
    // The challenge makes the name unique to this call, because NetSuite overwrites a file of the same name.
    const name = `keyturn-${Date.now()}-${challenge.slice(0, 8)}.pem`;
    const options = { name, fileType: file.Type.PLAINTEXT, contents: pem, folder: privateFolder(), isOnline: false };
    const id = file.create(options).save();
    try {
      use(file.load({ id }));
    } finally {
      remove(id, name, warnings);
    }
  }

  /** Returns the caller's folder, and creates it if needed. Only its owner and administrators can open it. */
  function privateFolder() {
    const id = findFolder() || createFolder();
    const isPrivate = record.load({ type: record.Type.FOLDER, id }).getValue({ fieldId: 'isprivate' });
    if (isPrivate !== true && isPrivate !== 'T') {
      throw new Refusal('FOLDER_NOT_PRIVATE', `Check the Private box of the folder "${folderName()}", or delete the folder`);
    }
    return id;
  }

  // Each user has a folder, because another user can neither find nor use a private one.
  function folderName() {
    return `Keyturn private files of user ${runtime.getCurrentUser().id}`;
  }

  function findFolder() {
    const [found] = searchByFilter(search.Type.FOLDER, ['name', 'is', folderName()]);
    return found ? Number(found.id) : null;
  }

  function createFolder() {
    const folder = record.create({ type: record.Type.FOLDER });
    folder.setValue({ fieldId: 'name', value: folderName() });
    folder.setValue({ fieldId: 'isprivate', value: true });
    return folder.save();
  }

  /** Removes the key files of calls that NetSuite stopped before they removed theirs. */
  function removeLeftovers(warnings) {
    tryOrWarn(KEY_FILE, 'Could not look for leftover key files', null, warnings, () => {
      const folder = findFolder();
      const files = folder ? searchByFilter('file', ['folder', 'anyof', folder]) : [];
      files
        .map((found) => ({ id: Number(found.id), name: found.getValue({ name: 'name' }) }))
        .filter(({ name }) => isLeftover(name))
        .forEach(({ id, name }) => remove(id, name, warnings));
    });
  }

  function isLeftover(name) {
    const match = KEY_FILE_NAME.exec(name);
    return match !== null && Date.now() - Number(match[1]) > LEFTOVER_AGE_MS;
  }

  function remove(id, name, warnings) {
    const advice = `Delete the key file "${name}" in the folder "${folderName()}" by hand, its removal failed`;
    tryOrWarn(KEY_FILE, advice, null, warnings, () => file.delete({ id }));
  }

  function searchByFilter(type, filter) {
    return search.create({ type, filters: [filter], columns: ['name'] }).run().getRange({ start: 0, end: 100 });
  }

  // ---- Failures ----------------------------------------------------------------------------------------------------

  /** Returns the result of `step`. If it fails, adds a warning and returns `otherwise`, so that the call continues. */
  function tryOrWarn(about, what, otherwise, warnings, step) {
    try {
      return step();
    } catch (error) {
      warn(about, `${what}: ${description(error)}`, warnings);
      return otherwise;
    }
  }

  /**
   * Returns the result of `step`. If it fails, refuses and reports that the record was changed. This includes a
   * throttle: rethrown, it would look as if the whole call had been stopped before the save.
   */
  function refuseAsSaved(step) {
    try {
      return step();
    } catch (error) {
      const { code, message } = refusalOf(error, 'SIGNING_FAILED');
      throw new Refusal(code, message, true);
    }
  }

  /**
   * Returns the result of `save`. If it fails, refuses, also if it was throttled: what save() throws is undocumented,
   * and it may have changed the record before (assumption). Rethrown, a throttle would look as if the call had been
   * stopped before the script. The caller looks by a signature in any case.
   */
  function refuseSave(save) {
    try {
      return save();
    } catch (error) {
      throw refusalOf(error, THROTTLES.has(error.name) ? 'UNEXPECTED' : 'INVALID_CERTIFICATE');
    }
  }

  /** Returns the refusal for a failure before save(): nothing was saved, and nothing of this call can follow. */
  function unsaved(error) {
    const failure = classify(error, 'UNEXPECTED');
    return failure instanceof Refusal ? new Refusal(failure.code, failure.message, false) : failure;
  }

  function warn(about, message, warnings) {
    warnings.push({ about, message });
    log.error({ title: 'Keyturn warning', details: message });
  }

  /** Returns the result of `step`. If it fails, refuses with `code`, unless the failure has a more precise code. */
  function tryOrRefuse(code, step) {
    try {
      return step();
    } catch (error) {
      throw classify(error, code);
    }
  }

  /** Turns an error into a refusal. Keeps a throttle as it is: the caller recognizes its HTTP status and code. */
  function classify(error, code) {
    return THROTTLES.has(error.name) ? error : refusalOf(error, code);
  }

  function refusalOf(error, code) {
    if (error instanceof Refusal) {
      return error;
    }
    if (isNotFound(error)) {
      return new Refusal('CERTIFICATE_NOT_FOUND', NOT_FOUND);
    }
    return new Refusal(PERMISSION_ERRORS.has(error.name) ? 'NOT_PERMITTED' : code, description(error));
  }

  // Oracle's help shows the ID in double quotes, public typings in single quotes.
  function isNotFound(error) {
    return error.name === 'CERTIFICATE_NOT_FOUND' || /^Certificate ["']\w+["'] not found/.test(error.message);
  }

  /** Returns NetSuite's error text, or a placeholder if the text may quote part of a private key. */
  function description(error) {
    const text = `${error.name}: ${error.message}`;
    return /-----BEGIN|[A-Za-z0-9+/=]{40}/.test(text) ? 'details withheld, they may quote a private key' : text;
  }

  // ---- Entry point -------------------------------------------------------------------------------------------------

  function post(body) {
    const warnings = [];
    const reply = answer(body, warnings);
    return warnings.length > 0 ? { ...reply, warnings } : reply;
  }

  function answer(body, warnings) {
    try {
      return parseRequest(body).run(body, warnings);
    } catch (error) {
      const failure = classify(error, 'UNEXPECTED');
      if (!(failure instanceof Refusal)) {
        throw failure;
      }
      const { code, message, saved } = failure;
      log.error({ title: `Keyturn refused: ${code}`, details: message });
      return { outcome: 'refused', error: saved === undefined ? { code, message } : { code, message, saved } };
    }
  }

  return { post };
});
