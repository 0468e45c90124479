/// A JSON value together with where it was found, so that every complaint can name its key path.
struct JSONReader {
  let value: JSONValue
  let path: String

  /// The member `name`, which must be present.
  func member(_ name: String) throws(TokenizerError) -> JSONReader {
    guard let found = try optional(name, nullIsAbsent: false) else {
      throw .missingKey(path: path + "." + name)
    }
    return found
  }

  /// The member `name`, or nil when it is absent or null.
  func optional(_ name: String, nullIsAbsent: Bool = true) throws(TokenizerError) -> JSONReader? {
    let key = Array(name.utf8)
    guard let found = try members().last(where: { $0.key == key }) else { return nil }
    if nullIsAbsent, found.value == .null { return nil }
    return JSONReader(value: found.value, path: path + "." + name)
  }

  /// The members of an object.
  func members() throws(TokenizerError) -> [JSONMember] {
    guard case .object(let members) = value else { throw unexpected("an object") }
    return members
  }

  /// The elements of an array.
  func elements() throws(TokenizerError) -> [JSONReader] {
    guard case .array(let elements) = value else { throw unexpected("an array") }
    return elements.enumerated().map { index, element in
      JSONReader(value: element, path: "\(path)[\(index)]")
    }
  }

  /// The UTF-8 bytes of a string.
  func bytes() throws(TokenizerError) -> [UInt8] {
    guard case .string(let bytes) = value else { throw unexpected("a string") }
    return bytes
  }

  /// A string.
  func string() throws(TokenizerError) -> String {
    String(decoding: try bytes(), as: UTF8.self)
  }

  /// A boolean.
  func boolean() throws(TokenizerError) -> Bool {
    guard case .boolean(let flag) = value else { throw unexpected("true or false") }
    return flag
  }

  /// A whole number that is not negative.
  func count() throws(TokenizerError) -> Int {
    guard case .integer(let number) = value, number >= 0 else {
      throw unexpected("a whole number, 0 or more")
    }
    return number
  }

  /// The boolean member `name`, or `fallback` when it is absent or null.
  func flag(_ name: String, otherwise fallback: Bool) throws(TokenizerError) -> Bool {
    try optional(name)?.boolean() ?? fallback
  }

  /// The error that says `expected` stood where this value stands.
  func unexpected(_ expected: String) -> TokenizerError {
    .unexpectedValue(path: path, expected: expected, found: value.summary)
  }

  /// The error that says the component `name` is not implemented.
  func unsupported(
    _ component: String, _ name: String, supported: [String]
  ) -> TokenizerError {
    .unsupported(component: component, name: name, path: path, supported: supported)
  }
}
