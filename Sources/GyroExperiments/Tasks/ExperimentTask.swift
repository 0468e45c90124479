import Foundation
import GyroAutodiff
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// What an experiment works on: a model together with the data that suit it. The stages know
/// nothing else about language or images.
protocol ExperimentTask {
  associatedtype Batch

  /// The parameters the experiment begins with.
  var initial: ParameterStore { get }
  /// The scheme of the checkpoint the experiment began with; nil when that was float.
  var initialScheme: QuantizationScheme? { get }
  /// What a batch is counted in.
  var unit: String { get }
  /// What the user should know before the first stage.
  var warnings: [String] { get }

  /// The batches of a training stage: a pure function of their number.
  func batches(for stage: TrainStage, seed: UInt64) throws -> (Int) -> Batch

  /// How many units a batch has.
  func size(of batch: Batch) -> Int

  /// The mean loss of a batch: on the labels, or against a teacher's parameters.
  func loss(
    _ batch: Batch, _ pass: ForwardPass, teacher: ParameterStore?, precision: MatmulPrecision
  ) -> Variable

  /// Takes what layers recorded into the parameters.
  func absorb(_ statistics: Statistics, into parameters: inout ParameterStore)

  /// Figures on the evaluation data; `loss` is always among them, and with a teacher
  /// `divergence`, the mean Kullback–Leibler divergence of the scores from the teacher's, in nats.
  func evaluate(
    _ parameters: ParameterStore, _ stage: EvaluateStage, _ arithmetic: Arithmetic,
    progress: (_ done: Int, _ total: Int) throws -> Void
  ) throws -> [String: Double]

  /// Writes the model for other programs.
  func write(
    _ parameters: ParameterStore, scheme: QuantizationScheme?, to folder: URL,
    as type: ScalarType) throws

  /// Reads back what `write` wrote.
  func read(_ folder: URL) throws -> ParameterStore
}

/// How forward passes are computed.
struct Arithmetic {
  var instrumentation: any Instrumentation = NoInstrumentation()
  var precision: MatmulPrecision = .float32
  /// The float parameters a quantized model is compared with.
  var teacher: ParameterStore? = nil

  /// The float scores that a model's scores are compared with; nil without a teacher.
  func wanted(_ scores: (ForwardPass) -> Variable) -> Tensor? {
    teacher.map { scores(ForwardPass($0, precision: precision)).value }
  }

  /// A pass that measures.
  func pass(_ parameters: ParameterStore) -> ForwardPass {
    ForwardPass(
      parameters, mode: .evaluation, instrumentation: instrumentation, precision: precision)
  }
}
