// The N/* modules that Keyturn's RESTlet uses. Each forwards to the simulator: restlet.py answers `call`.
// The simulator loads this file into a fresh JavaScript engine before it loads the RESTlet. The modules offer only what
// Oracle documents, so a RESTlet that relies on anything else fails here too.
'use strict';

(function () {
  const call = (operation, options = {}) => {
    const answer = JSON.parse(simulatorCall(operation, JSON.stringify(options)));
    if (answer.error) {
      throw suiteScriptError(answer.error.name, answer.error.message);
    }
    return answer.value;
  };

  function suiteScriptError(name, message) {
    const error = new Error(message);
    error.type = 'error.SuiteScriptError';
    error.name = name;
    error.id = '';
    error.cause = { name, message };
    error.notifyOff = false;
    return error;
  }

  const missing = (name, method) =>
    suiteScriptError('SSS_MISSING_REQD_ARGUMENT', `${method}: Missing a required argument: ${name}`);

  const requireArgument = (options, name, method) => {
    if (!options || options[name] === undefined || options[name] === null || options[name] === '') {
      throw missing(name, method);
    }
  };

  // NetSuite's clock. Tests can shift it away from the computer's clock.
  const SystemDate = Date;
  globalThis.Date = class extends SystemDate {
    constructor(...parts) {
      if (parts.length) super(...parts);
      else super(call('now'));
    }

    static now() {
      return call('now');
    }
  };

  // ---- N/file -------------------------------------------------------------------------------------------------------

  class File {
    constructor(fields) {
      Object.assign(this, fields);
    }

    getContents() {
      return this.contents;
    }

    save() {
      this.id = call('file.save', { name: this.name, folder: this.folder, contents: this.contents });
      return this.id;
    }
  }
  // Not enumerable, so that neither JSON.stringify nor a log shows the contents.
  const fileOf = ({ contents, ...shown }) =>
    Object.defineProperty(new File(shown), 'contents', { value: contents, enumerable: false });

  const file = {
    Type: { PLAINTEXT: 'PLAINTEXT' },
    create(options) {
      requireArgument(options, 'name', 'file.create');
      requireArgument(options, 'fileType', 'file.create');
      const { name, fileType, folder, contents = '', isOnline = false } = options;
      return fileOf({ id: null, name, fileType, folder, isOnline, contents });
    },
    load(options) {
      const id = typeof options === 'object' ? options.id : options;
      return fileOf(call('file.load', { id }));
    },
    delete(options) {
      return call('file.delete', { id: typeof options === 'object' ? options.id : options });
    },
  };

  // ---- N/certificateControl, N/crypto/certificate -------------------------------------------------------------------

  class Certificate {
    constructor(fields) {
      Object.assign(this, fields);
    }

    save() {
      requireArgument(this, 'file', 'Certificate.save');
      const { name, scriptId, password = null } = this;
      call('certificate.save', { name, scriptId, password, file: this.file.id, created: this.created === true });
      return { id: scriptId };
    }
  }

  const asDates = (found) => ({ ...found, validFrom: new Date(found.validFrom), validTo: new Date(found.validTo) });

  const certificateControl = {
    createCertificate(options) {
      for (const name of ['file', 'name', 'scriptId']) {
        requireArgument(options, name, 'certificateControl.createCertificate');
      }
      if (!/^_[a-z0-9_]+$/.test(options.scriptId)) {
        throw suiteScriptError('INVALID_SCRIPT_ID', 'The script ID must begin with an underscore.');
      }
      return new Certificate({ ...options, scriptId: `custcertificate${options.scriptId}`, created: true });
    },
    loadCertificate(options) {
      const scriptId = typeof options === 'object' ? options.scriptId : options;
      if (!scriptId) throw missing('scriptId', 'certificateControl.loadCertificate');
      return new Certificate(call('certificate.load', { scriptId }));
    },
    findCertificates(options = {}) {
      return call('certificate.find', options).map(asDates);
    },
  };

  class Signer {
    constructor(certId, algorithm) {
      this.certId = certId;
      this.algorithm = algorithm;
      this.text = '';
    }

    update(options) {
      this.text += typeof options === 'object' ? options.input : options;
      return this;
    }

    // Returns Base64, the default of N/crypto, on which the RESTlet relies.
    sign() {
      return call('signer.sign', { certId: this.certId, algorithm: this.algorithm, text: this.text });
    }
  }

  const cryptoCertificate = {
    HashAlg: { SHA256: 'SHA-256' },
    createSigner(options) {
      requireArgument(options, 'certId', 'certificate.createSigner');
      requireArgument(options, 'algorithm', 'certificate.createSigner');
      call('certificate.load', { scriptId: options.certId });
      return new Signer(options.certId, options.algorithm);
    },
  };

  // ---- N/log, N/runtime ---------------------------------------------------------------------------------------------

  const logAt = (level) => (options, details) => {
    const entry = typeof options === 'object' ? options : { title: options, details };
    const text = typeof entry.details === 'string' ? entry.details : JSON.stringify(entry.details);
    call('log.write', { level, title: String(entry.title), details: text === undefined ? '' : text });
  };

  const log = { debug: logAt('DEBUG'), audit: logAt('AUDIT'), error: logAt('ERROR'), emergency: logAt('EMERGENCY') };

  const runtime = {
    get accountId() {
      return call('runtime.account');
    },
    getCurrentUser: () => call('runtime.user'),
  };

  // ---- N/record, N/search, N/suiteAppInfo ---------------------------------------------------------------------------

  class FolderRecord {
    constructor(fields) {
      this.fields = fields;
    }

    getValue({ fieldId }) {
      return this.fields[fieldId];
    }

    setValue({ fieldId, value }) {
      this.fields[fieldId] = value;
      return this;
    }

    save() {
      return call('folder.create', { name: this.fields.name, private: this.fields.isprivate === true });
    }
  }

  const onlyFolders = ({ type }) => {
    if (type !== 'folder') throw suiteScriptError('INVALID_RCRD_TYPE', `The simulator has no records of type ${type}.`);
  };

  const record = {
    Type: { FOLDER: 'folder' },
    create(options) {
      onlyFolders(options);
      return new FolderRecord({});
    },
    load(options) {
      onlyFolders(options);
      return new FolderRecord(call('folder.load', { id: options.id }));
    },
  };

  const search = {
    Type: { FOLDER: 'folder' },
    create({ type, filters }) {
      const found = () =>
        call('search', { type, filters }).map(({ id, ...values }) => ({
          id: String(id),
          getValue: ({ name }) => values[name],
        }));
      return { run: () => ({ getRange: ({ start, end }) => found().slice(start, end) }) };
    },
  };

  const suiteAppInfo = { listInstalledBundles: () => call('bundles') };

  const modules = {
    'N/certificateControl': certificateControl,
    'N/crypto/certificate': cryptoCertificate,
    'N/file': file,
    'N/record': record,
    'N/runtime': runtime,
    'N/search': search,
    'N/suiteAppInfo': suiteAppInfo,
  };

  // ---- Loading and calling the script -------------------------------------------------------------------------------

  let script;

  globalThis.log = log;

  globalThis.define = (names, factory) => {
    script = factory(
      ...names.map((name) => {
        if (!modules[name]) {
          throw suiteScriptError('MODULE_DOES_NOT_EXIST', `Module does not exist: ${name}.js`);
        }
        return modules[name];
      }),
    );
  };

  // An unhandled error, in the form that NetSuite returns for RESTlets.
  const thrown = (failure) => ({
    type: failure.type || '',
    name: failure.type ? failure.name : 'UNEXPECTED_ERROR',
    message: failure.type ? failure.message : String(failure),
    stack: String(failure.stack || '').split('\n').filter(Boolean),
  });

  globalThis.simulatorPost = (body) => {
    try {
      const reply = script.post(JSON.parse(body));
      return JSON.stringify({ reply: typeof reply === 'string' ? reply : JSON.stringify(reply) });
    } catch (failure) {
      return JSON.stringify({ thrown: thrown(failure) });
    }
  };
})();
