const Ajv2020 = require('ajv/dist/2020');
const addFormats = require('ajv-formats');
const { post } = require('SuiteScripts/Keyturn/keyturn_restlet');
const schema = require('../../schema/restlet.schema.json');

const ajv = addFormats(new Ajv2020({ strict: true, allErrors: true })).addSchema(schema);

/** Returns the errors of `value` against the schema's definition `name`; an empty list if it is valid. */
function misfits(name, value) {
  const fits = ajv.getSchema(`${schema.$id}#/$defs/${name}`);
  return fits(value) ? [] : fits.errors;
}

/** Returns the RESTlet's reply to `body`, as parsed JSON. Fails if the reply does not match the schema. */
function call(body) {
  const reply = JSON.parse(JSON.stringify(post(body)));
  const name = reply.outcome === 'done' ? `${reply.action}Reply` : 'refusal';
  expect(misfits(name, reply)).toEqual([]);
  expect(misfits('reply', reply)).toEqual([]);
  return reply;
}

/** Like `call`, but the request must match the schema too. */
function callValid(body) {
  expect(misfits(`${body.action}Request`, body)).toEqual([]);
  return call(body);
}

module.exports = { call, callValid, misfits, post };
