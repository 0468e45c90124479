import GyroText
import Testing

@Suite("Ids and texts equal those of the reference implementation")
struct GoldenTests {
  @Test("on the goldens of this repository", arguments: GoldenFolder.committed)
  func committed(_ folder: GoldenFolder) throws {
    try expectEquality(folder)
  }

  @Test(
    "on the goldens beside this repository", .enabled(if: !GoldenFolder.shared.isEmpty),
    arguments: GoldenFolder.shared)
  func shared(_ folder: GoldenFolder) throws {
    try expectEquality(folder)
  }

  @Test("There are goldens of four structures")
  func goldensExist() {
    #expect(GoldenFolder.committed.count == 4)
  }

  @Test("A stream of ids gives the text of all of them", arguments: GoldenFolder.committed)
  func streaming(_ folder: GoldenFolder) throws {
    let tokenizer = try folder.tokenizer
    for row in try folder.rows {
      var decoder = tokenizer.makeStreamDecoder(skipSpecialTokens: true)
      var text = ""
      for identifier in row.ids { text += decoder.append(identifier) }
      text += decoder.finish()
      #expect(text.bytes == row.decodedWithoutSpecials.bytes)
    }
  }

  private func expectEquality(_ folder: GoldenFolder) throws {
    let tokenizer = try folder.tokenizer
    for row in try folder.rows {
      #expect(tokenizer.encode(row.text) == row.ids, "\(row.text.debugDescription)")
      #expect(tokenizer.encode(row.text, addSpecialTokens: false) == row.plainIds)
      #expect(tokenizer.decode(row.ids).bytes == row.decoded.bytes)
      let skipped = tokenizer.decode(row.ids, skipSpecialTokens: true)
      #expect(skipped.bytes == row.decodedWithoutSpecials.bytes)
      #expect(row.ids.allSatisfy { $0 < tokenizer.vocabularySize })
    }
  }
}
