/**
 * A NetSuite account in memory, connected to Oracle's stubs: certificate records, a File Cabinet and bundles that behave
 * as documented. It signs with the uploaded key. `fail` makes a call throw.
 */
const crypto = require('crypto');
const certificateControl = require('N/certificateControl');
const certificate = require('N/crypto/certificate');
const file = require('N/file');
const record = require('N/record');
const runtime = require('N/runtime');
const search = require('N/search');
const suiteAppInfo = require('N/suiteAppInfo');

const { placeholder } = require('./factories');

/** Creates an error as SuiteScript throws it; its name is the error code. */
function suiteScriptError(name, message) {
  return Object.assign(new Error(message), { name });
}

class Account {
  constructor({ certificates = [placeholder()], bundles = [] } = {}) {
    this.certificates = new Map(certificates.map((one) => [one.id, one]));
    this.bundles = bundles;
    this.folders = new Map();
    this.files = new Map();
    this.calls = [];
    this.failures = new Map();
    this.beforeCall = () => {};
    this.lastId = 100;
    this.connect();
  }

  /** From now on, calls of `name`, such as 'file.delete', throw `error`. */
  fail(name, error) {
    this.failures.set(name, error);
  }

  stopFailing(name) {
    this.failures.delete(name);
  }

  addFolder(name, isprivate = true) {
    const id = this.nextId();
    this.folders.set(id, { name, isprivate });
    return id;
  }

  addFile(name, folder, contents = 'any') {
    const id = this.nextId();
    this.files.set(id, { id, name, folder, contents });
    return id;
  }

  fileNames() {
    return [...this.files.values()].map(({ name }) => name);
  }

  /** Returns everything in the script's execution log as one text. */
  logged() {
    return JSON.stringify([log.audit.mock.calls, log.error.mock.calls]);
  }

  nextId() {
    this.lastId += 1;
    return this.lastId;
  }

  call(name, action) {
    this.calls.push(name);
    this.beforeCall(name);
    if (this.failures.has(name)) {
      throw this.failures.get(name);
    }
    return action();
  }

  connect() {
    global.log = { audit: jest.fn(), error: jest.fn() };
    runtime.accountId = '1234567_SB1';
    certificate.HashAlg = { SHA256: 'SHA256' }; // Oracle's stub has no such enum
    const stub = (module, name, label, action) =>
      jest.spyOn(module, name).mockImplementation((options) => this.call(label, () => action(options)));

    stub(runtime, 'getCurrentUser', 'runtime.getCurrentUser', () => ({ id: 42, roleId: 'customrole_keyturn' }));
    stub(suiteAppInfo, 'listInstalledBundles', 'suiteAppInfo.listInstalledBundles', () => this.bundles);
    stub(certificateControl, 'findCertificates', 'certificateControl.findCertificates', () => this.found());
    stub(certificateControl, 'loadCertificate', 'certificateControl.loadCertificate', (options) => this.load(options));
    stub(certificateControl, 'createCertificate', 'certificateControl.createCertificate', ({ scriptId, ...rest }) =>
      this.saveable({ id: `custcertificate${scriptId}`, ...rest })
    );
    stub(certificate, 'createSigner', 'certificate.createSigner', (options) => this.signer(options));
    stub(file, 'create', 'file.create', (options) => ({
      save: () => this.call('file.save', () => this.saveFile(options)),
    }));
    stub(file, 'load', 'file.load', ({ id }) => ({ ...this.files.get(id) }));
    stub(file, 'delete', 'file.delete', ({ id }) => this.files.delete(id));
    stub(record, 'create', 'record.create', () => this.newFolder());
    stub(record, 'load', 'record.load', ({ id }) => ({ getValue: ({ fieldId }) => this.folders.get(id)[fieldId] }));
    stub(search, 'create', 'search.create', (options) => ({ run: () => ({ getRange: () => this.search(options) }) }));
  }

  found() {
    return [...this.certificates.values()].map(({ id, name, file: { name: fileName }, validFrom, validTo }) => ({
      id,
      name,
      fileName,
      validFrom,
      validTo,
    }));
  }

  load({ scriptId }) {
    if (!this.certificates.has(scriptId)) {
      throw suiteScriptError('CERTIFICATE_NOT_FOUND', `Certificate "${scriptId}" not found`);
    }
    return this.saveable({ ...this.certificates.get(scriptId) });
  }

  saveable(certificateRecord) {
    return Object.defineProperty(certificateRecord, 'save', {
      value: () =>
        this.call('Certificate.save', () => {
          this.certificates.set(certificateRecord.id, {
            validFrom: new Date('2026-11-23T00:00:00Z'),
            validTo: new Date('2027-11-23T00:00:00Z'),
            ...certificateRecord,
          });
        }),
    });
  }

  signer({ certId, algorithm }) {
    const { file: keyFile } = this.certificates.get(certId);
    const key = keyFile.contents.slice(keyFile.contents.indexOf('-----BEGIN PRIVATE KEY-----'));
    let text = '';
    return {
      update: ({ input }) => {
        text += input;
      },
      sign: () => this.call('Signer.sign', () => crypto.sign(algorithm, Buffer.from(text), key).toString('base64')),
    };
  }

  saveFile({ name, folder, contents, fileType, isOnline }) {
    expect({ fileType, isOnline }).toEqual({ fileType: file.Type.PLAINTEXT, isOnline: false });
    expect([true, 'T']).toContain(this.folders.get(folder).isprivate);
    return this.addFile(name, folder, contents);
  }

  newFolder() {
    const values = {};
    return {
      setValue: ({ fieldId, value }) => {
        values[fieldId] = value;
      },
      save: () => this.call('Folder.save', () => this.addFolder(values.name, values.isprivate)),
    };
  }

  search({ type, filters: [[field, operator, value]] }) {
    expect([type, field, operator]).toEqual(
      type === search.Type.FOLDER ? ['folder', 'name', 'is'] : ['file', 'folder', 'anyof']
    );
    const rows = [...(type === 'folder' ? this.folders : this.files)].filter(([, row]) => row[field] === value);
    return rows.map(([id, { name }]) => ({ id: String(id), getValue: () => name }));
  }
}

module.exports = { Account, suiteScriptError };
