import GyroQuantization
import GyroTensors

/// Every family of number formats, by name.
let formatNames: [String] =
  (2...8).flatMap { ["int\($0)", "int\($0)-restricted", "int\($0)-half-range", "uint\($0)"] }
  + [
    "e4m3", "e5m2", "e2m1", "e2m3", "e3m2", "e3m4", "e2m5", "e1m6", "e3m0", "e5m1", "e4m3-finite",
    "e4m3-ieee", "e3m4-ieee", "binary", "ternary", "nf4", "pot2", "pot3", "pot4", "pot5", "apot3",
    "apot5", "apot7",
  ]

func namedFormat(_ name: String) -> any NumberFormat {
  guard let format = FormatNames.format(name) else { preconditionFailure("no format \(name)") }
  return format
}

/// Values that try a format: both zeros, subnormals, huge numbers, every number of the format, every
/// place halfway between two with its neighbors, and random numbers of all sizes.
func trialValues(_ format: any NumberFormat, random count: Int = 2000) -> [Float] {
  var result: [Float] = [
    0, -0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude,
    -.leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1, -1,
  ]
  let values = format.values
  for (low, high) in zip(values, values.dropFirst()) {
    let middle = Float((Double(low) + Double(high)) / 2)
    result += [low, low.nextUp, middle.nextDown, middle, middle.nextUp, high.nextDown, high]
  }
  var random = RandomStream(seed: 11)
  for _ in 0..<count {
    let exponent = random.integer(below: 60) - 40
    let value = Float(sign: .plus, exponent: exponent, significand: 1 + random.uniform())
    result.append(random.uniform() < 0.5 ? value : -value)
    result.append((random.uniform() * 2 - 1) * format.largest * 1.2)
  }
  return result
}
