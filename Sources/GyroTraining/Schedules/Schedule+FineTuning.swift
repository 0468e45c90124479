public import GyroOptimization

extension Schedule {
  /// The course of quantization-aware fine-tuning in 2004.09602 §5: cosine from 1 % of the rate that
  /// the network was first trained with down to 1 % of that, while activation ranges stay fixed.
  /// About a tenth of the original steps is enough.
  /// - Parameter initialRate: the highest rate of the original training.
  /// - Throws: `ScheduleError` when the rate or the number of steps makes no sense.
  public static func fineTuning(
    initialRate: Double, steps: Int
  ) throws(ScheduleError) -> Schedule {
    try Schedule(.cosine, peak: 0.01 * initialRate, final: 0.0001 * initialRate, steps: steps)
  }
}
