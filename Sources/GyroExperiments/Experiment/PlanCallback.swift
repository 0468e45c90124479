import GyroQuantization
import GyroTraining

/// Brings what quantizers learn back into its domain right after every update.
final class PlanCallback: TrainingCallback {
  private let plan: QuantizationPlan

  init(_ plan: QuantizationPlan) { self.plan = plan }

  func handle(_ event: TrainingEvent, _ state: inout TrainingState) -> TrainingEvent? { nil }

  func didUpdate(_ state: inout TrainingState) { plan.constrain(&state.parameters) }
}
