import GyroText

extension JSONValue {
  /// A member of an object.
  subscript(key: String) -> JSONValue? {
    members?.first { $0.key.elementsEqual(key.utf8) }?.value
  }

  var members: [JSONMember]? {
    if case .object(let members) = self { members } else { nil }
  }

  var elements: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// Whether two objects have equal members, in any order.
  func equals(_ other: JSONValue) -> Bool {
    guard let members, let others = other.members else { return self == other }
    return members.count == others.count
      && others.allSatisfy { member in
        members.contains { $0.key == member.key && $0.value.equals(member.value) }
      }
  }
}

extension Tokenizer {
  /// The special tokens put before and after a text.
  var idsAroundText: (before: [Int32], after: [Int32]) {
    let plain = encode("a", addSpecialTokens: false)
    let whole = encode("a", addSpecialTokens: true)
    for start in 0...max(whole.count - plain.count, 0)
    where whole[start...].starts(with: plain) {
      return (Array(whole[..<start]), Array(whole[(start + plain.count)...]))
    }
    return ([], [])
  }
}
