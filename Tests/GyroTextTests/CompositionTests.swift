import Foundation
import Testing

@testable import GyroText

@Suite("Composed normalization forms")
struct CompositionTests {
  private func composed(_ scalars: [UInt32], _ form: UnicodeForm = .composed) -> [UInt32] {
    var text = String.UnicodeScalarView()
    for scalar in scalars { text.append(Unicode.Scalar(scalar)!) }
    let bytes = form.apply(to: Array(String(text).utf8))
    return String(decoding: bytes, as: UTF8.self).unicodeScalars.map(\.value)
  }

  @Test("every composed scalar of the first planes comes back from its decomposition")
  func roundTrip() {
    for value in Array(UInt32(0xC0)...0x24FF) + Array(UInt32(0x3040)...0x30FF) {
      guard let scalar = Unicode.Scalar(value), scalar.isKnownToNormalization else { continue }
      let once = composed([value])
      #expect(composed(composed([value], .decomposed)) == once, "\(String(value, radix: 16))")
      #expect(composed(once) == once)
    }
  }

  // The right-hand sides are those of the tokenizers library.
  @Test(
    "what the reference makes of hard cases",
    arguments: [
      ([0xCCB], [0xCCB]), ([0xCC6, 0xCC2, 0xCD5], [0xCCB]),
      ([0x10041, 0x301], [0x10041, 0x301]), ([0x10043, 0x301], [0x10043, 0x301]),
      ([0x41, 0x30A], [0xC5]), ([0x212B], [0xC5]), ([0x391, 0x301], [0x386]),
      ([0x61, 0x323, 0x302], [0x1EAD]), ([0x61, 0x302, 0x323], [0x1EAD]),
      ([0x958], [0x915, 0x93C]), ([0x344], [0x308, 0x301]),
      ([0xAC00, 0x11A8], [0xAC01]), ([0x1100, 0x1161, 0x11A8], [0xAC01]),
      ([0x11099, 0x110BA], [0x1109A]), ([0x1D15E], [0x1D157, 0x1D165]),
      ([0x2DF3, 0x10F4B], [0x2DF3, 0x10F4B]), ([0x1DF6, 0x301], [0x1DF6, 0x301]),
      ([0x61, 0x9FE, 0x327, 0x301], [0x61, 0x9FE, 0x327, 0x301]), ([0x1F71], [0x3AC]),
    ] as [([UInt32], [UInt32])])
  func reference(_ text: [UInt32], _ expected: [UInt32]) {
    #expect(composed(text) == expected)
  }
}
