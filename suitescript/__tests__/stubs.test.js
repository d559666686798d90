test('Oracle’s stubs, as they come, load the RESTlet; it offers POST and no other method', () => {
  const restlet = require('SuiteScripts/Keyturn/keyturn_restlet');
  expect(Object.keys(restlet)).toEqual(['post']);
  expect(restlet.post).toBeInstanceOf(Function);
});
