import GyroQuantization
import GyroTensors
import Testing

@Suite("Every law of a number format, for every format")
struct FormatLawTests {
  @Test("project equals decode of encode, bit for bit", arguments: formatNames)
  func projectIsDecodeOfEncode(_ name: String) {
    let format = namedFormat(name)
    for value in trialValues(format) {
      let projected = format.project(value)
      #expect(
        projected.bitPattern == format.decode(format.encode(value)).bitPattern, "\(value)")
      #expect(Int(format.encode(value)) < 1 << format.bits)
    }
  }

  @Test(
    "project is idempotent and monotone, and nothing of the format lies nearer",
    arguments: formatNames)
  func nearest(_ name: String) {
    let format = namedFormat(name), values = format.values
    var last = -Float.infinity
    for value in trialValues(format, random: 300).sorted() {
      let projected = format.project(value)
      #expect(format.project(projected).bitPattern == projected.bitPattern)
      #expect(projected >= last)
      last = projected
      let error = abs(Double(value) - Double(projected))
      let least = values.map { abs(Double(value) - Double($0)) }.min()!
      // A codebook's threshold is halfway rounded to Float32.
      let slack = format is Codebook ? Double(value.ulp) : 0
      #expect(error <= least + slack, "\(value) became \(projected)")
    }
  }

  @Test("project is odd where the grid is symmetric", arguments: formatNames)
  func odd(_ name: String) {
    let format = namedFormat(name)
    guard format.isSigned, !(format is Codebook) else { return }
    for value in trialValues(format) where abs(value) <= format.largest {
      #expect(format.project(-value) == -format.project(value))
    }
  }

  @Test("every code of a finite number survives decoding and encoding", arguments: formatNames)
  func codes(_ name: String) {
    let format = namedFormat(name)
    for code in 0..<(1 << format.bits) {
      let value = format.decode(UInt8(code))
      guard value.isFinite, value >= format.lowest else { continue }
      if let codebook = format as? Codebook, code >= codebook.levels.count { continue }
      #expect(format.encode(value) == UInt8(code))
    }
  }

  @Test("values beyond the range saturate", arguments: formatNames)
  func saturation(_ name: String) {
    let format = namedFormat(name), values = format.values
    let top = format.isSigned && format is IntegerFormat ? format.largest : values.last!
    let bottom = max(values.first!, format is Codebook ? values.first! : format.lowest)
    for beyond in [format.largest * 1.5, 1e30, .greatestFiniteMagnitude, .infinity] {
      #expect(format.project(beyond) == top)
      #expect(format.project(-beyond * 2) == bottom)
    }
    #expect(format.largest == max(top, format is Codebook ? -bottom : top))
  }

  @Test("kernels project and encode as the format does", arguments: formatNames)
  func kernel(_ name: String) throws {
    let format = namedFormat(name)
    let values = trialValues(format, random: 50_000)
    let quantizer = try Quantizer(format, .tensor)
    let one = GroupScales(scales: Tensor([1], elements: [1]))
    let x = Tensor([values.count], elements: values)
    let projected = try quantizer.projected(x, with: one).elements
    let codes = try quantizer.quantized(x, with: one).codeArray
    for (place, value) in values.enumerated() {
      let expected = format.project(value)
      guard projected[place].bitPattern == expected.bitPattern, codes[place] == format.encode(value)
      else {
        Issue.record("\(value): \(projected[place]), \(codes[place]) instead of \(expected)")
        return
      }
    }
  }

  @Test("names are read back")
  func names() {
    for name in formatNames { #expect(namedFormat(name).name == name) }
    for name in ["int1", "int9", "int08", "uint8-restricted", "e9m9", "e4m3-nan", "pot9", "apot4"] {
      #expect(FormatNames.format(name) == nil)
    }
  }
}
