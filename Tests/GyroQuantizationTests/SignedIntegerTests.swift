import GyroQuantization
import Testing

@Suite("int8: every law of a number format")
struct SignedIntegerTests {
  private let format = SignedInteger.int8

  @Test("project equals decode of encode, on a fine grid and at every tie")
  func projectIsDecodeOfEncode() {
    for step in -20_000...20_000 {
      let value = Float(step) / 100
      #expect(format.project(value) == format.decode(format.encode(value)))
    }
    for code in -127...127 {
      let tie = Float(code) + 0.5
      #expect(format.project(tie) == format.decode(format.encode(tie)))
    }
  }

  @Test("project is idempotent, monotone and odd")
  func shape() {
    var last = -Float.infinity
    for step in -15_000...15_000 {
      let value = Float(step) / 100, projected = format.project(value)
      #expect(format.project(projected) == projected)
      #expect(projected >= last)
      #expect(format.project(-value) == -projected)
      last = projected
    }
  }

  @Test("ties go to even, and the range is ±127")
  func ties() {
    #expect([0.5, 1.5, 2.5, -0.5, -1.5].map(format.encode) == [0, 2, 2, 0, -2])
    #expect(format.encode(1000) == 127)
    #expect(format.encode(-1000) == -127)
    #expect(format.largest == 127)
  }
}
