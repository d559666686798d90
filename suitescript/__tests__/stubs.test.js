test('The RESTlet loads on Oracle’s stubs and offers only POST', () => {
  const restlet = require('SuiteScripts/Keyturn/keyturn_restlet');
  expect(Object.keys(restlet)).toEqual(['post']);
  expect(restlet.post).toBeInstanceOf(Function);
});
