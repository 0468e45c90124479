import GyroTensors
import GyroTraining

/// What was measured, each way of computing once.
struct MeasuredRates<T: ExperimentTask> {
  let probe: StepProbe<T>
  let units: Int
  private var costs: [StepProbe<T>.Work: StepProbe<T>.Cost] = [:]
  /// Seconds to read or write one Float32 that is not in a cache.
  let secondsPerFloat: Double

  init(probe: StepProbe<T>, units: Int) {
    self.probe = probe
    self.units = units
    let row = Tensor.zeros([1 << 22])
    _ = row * row
    let started = systemSeconds()
    _ = row * row
    secondsPerFloat = (systemSeconds() - started) / Double(3 << 22)
  }

  mutating func cost(
    _ kind: StepProbe<T>.Work.Kind, quantized: Bool, teacher: Bool
  ) throws -> StepProbe<T>.Cost {
    let work = StepProbe<T>.Work(kind: kind, isQuantized: quantized, hasTeacher: teacher)
    if let known = costs[work] { return known }
    let cost = try probe.cost(work, units: units)
    costs[work] = cost
    return cost
  }

  /// Of a float forward pass: each parameter multiplies once for every unit.
  mutating func multiplicationsPerSecond(_ elements: Int) throws -> Double {
    let seconds = try cost(.evaluate, quantized: false, teacher: false).secondsPerUnit
    return Double(elements) / max(seconds, 1e-12)
  }

  func assumptions(unit: String, sampled: Bool) -> [String] {
    var lines = [
      "Rates were measured just now on steps of \(units) \(unit)"
        + (probe.workRatio == 1
          ? "" : " of a part of the model, scaled by the multiplications of the whole")
        + "; a busier or idler machine changes them.",
      "Memory counts parameters, gradients, optimizer, teacher and the activations that a measured "
        + "forward pass left for the backward pass.",
    ]
    let shown = costs.sorted { "\($0.key)" < "\($1.key)" }.map { work, cost in
      let words =
        (work.isQuantized ? "quantized " : "float ")
        + (work.kind == .evaluate ? "evaluation" : "training")
        + (work.hasTeacher ? " beside the float model" : "")
      return "\(words) \(Int(1 / max(cost.secondsPerUnit, 1e-12))) \(unit) a second"
    }
    if !shown.isEmpty { lines.insert("Measured: " + shown.joined(separator: ", ") + ".", at: 1) }
    return lines
  }
}
