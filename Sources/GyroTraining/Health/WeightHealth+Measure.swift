import GyroModels
import GyroTensors

extension WeightHealth {
  /// What can be seen in the codes of one moment.
  init(path: ParameterPath, weight: Tensor, codes: WeightCodes, startScales: [Float]) {
    self.init(path: path)
    let (count, length) = (codes.levels.count, codes.groupLength)
    var used = [Bool](repeating: false, count: 256)
    for level in codes.levels { used[Int(level)] = true }
    let values = codes.values
    deadCodeShare = Double(values.count - used.count { $0 }) / Double(values.count)
    elementsPerCode = Double(count) / Double(values.count)

    let low = values[0] - (values[1] - values[0]) / 2
    let high = values[values.count - 1] + (values[values.count - 1] - values[values.count - 2]) / 2
    var clipped = 0
    weight.contiguous().withElements { weight in
      for (group, scale) in codes.scales.enumerated() {
        let offset = codes.offsets.isEmpty ? 0 : codes.offsets[group]
        let (least, most) = ((low - offset) * scale, (high - offset) * scale)
        for place in group * length..<(group + 1) * length
        where weight[place] < least || weight[place] > most { clipped += 1 }
      }
    }
    clippedShare = Double(clipped) / Double(max(count, 1))

    scales = codes.scales.count
    badScales = codes.scales.count { !($0 > 0 && $0.isFinite) }
    if startScales.count == codes.scales.count {
      let drift = zip(codes.scales, startScales).reduce(0.0) {
        $0 + abs(Double($1.0) / Double($1.1) - 1)
      }
      scaleDrift = drift / Double(max(scales, 1))
    }
  }
}
