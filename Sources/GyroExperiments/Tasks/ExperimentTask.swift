import Foundation
import GyroAutodiff
import GyroCache
import GyroCheckpoints
import GyroExport
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
  /// The shape of a model that can be rotated; nil for all others.
  var llama: LlamaConfiguration? { get }
  /// What a batch is counted in.
  var unit: String { get }
  /// What the user should know before the first stage.
  var warnings: [String] { get }

  /// The batches of a training stage: a pure function of their number.
  func batches(for stage: TrainStage, seed: UInt64) throws -> (Int) -> Batch

  /// The batches that ranges are found on.
  func batches(for stage: CalibrateStage, seed: UInt64) throws -> (Int) -> Batch

  /// The token ids of a batch, one list per example; nothing when it is not text.
  func windows(of batch: Batch) -> [[Int32]]

  /// The model's scores of a batch.
  func scores(_ batch: Batch, _ pass: ForwardPass) -> Variable

  /// How many units a batch has.
  func size(of batch: Batch) -> Int

  /// The right answers of a batch, one per row of its scores.
  func targets(of batch: Batch) -> [Int32]

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

  /// The model as exporters take it.
  func shipped(
    _ parameters: ParameterStore, scheme: QuantizationScheme?
  ) throws -> ShippedModel

  /// Reads back what `write` wrote.
  func read(_ folder: URL) throws -> ParameterStore
}

/// Float parameters and what has to run online with them.
struct FloatModel {
  var parameters: ParameterStore
  var instrumentation: any Instrumentation = NoInstrumentation()

  /// A pass that measures.
  func pass(_ precision: MatmulPrecision) -> ForwardPass {
    ForwardPass(parameters, instrumentation: instrumentation, precision: precision)
  }
}

/// What a training stage's loss compares the model with.
struct TrainingTarget {
  /// The float model; nil compares with the labels alone.
  var teacher: FloatModel?
  /// The share of the divergence from the teacher; the rest is cross-entropy on the labels.
  var share: Float = 0
  var temperature: Float = 1
  /// Whether the divergence is taken from the teacher's side.
  var isReversed = false
}

extension ExperimentTask {
  var llama: LlamaConfiguration? { nil }

  func windows(of batch: Batch) -> [[Int32]] { [] }

  /// The token ids of a batch of text, as a language model takes them.
  func window(of batch: Batch) -> TokenWindow {
    let rows = windows(of: batch)
    return TokenWindow(rows.flatMap { $0 }, batch: rows.count, length: rows[0].count)
  }

  /// The mean loss of a batch.
  func loss(
    _ batch: Batch, _ pass: ForwardPass, _ target: TrainingTarget, precision: MatmulPrecision
  ) -> Variable {
    let scores = scores(batch, pass)
    guard let teacher = target.teacher else {
      return scores.crossEntropy(targets: targets(of: batch))
    }
    let wanted = self.scores(batch, teacher.pass(precision)).value
    guard target.isReversed else {
      return scores.distillationLoss(
        toward: .logits(wanted, temperature: target.temperature), targets: targets(of: batch),
        share: target.share)
    }
    let divergence = scores.reverseKullbackLeibler(
      toTeacher: wanted, temperature: target.temperature)
    guard target.share < 1 else { return divergence }
    return divergence * target.share
      + scores.crossEntropy(targets: targets(of: batch)) * (1 - target.share)
  }
}

/// How forward passes are computed.
struct Arithmetic {
  var instrumentation: any Instrumentation = NoInstrumentation()
  var precision: MatmulPrecision = .float32
  /// The float model a quantized one is compared with.
  var teacher: FloatModel? = nil
  /// What a language model keeps its keys and values in; nil computes without a cache.
  var cache: CacheSpecification? = nil

  /// The float scores that a model's scores are compared with; nil without a teacher.
  func wanted(_ scores: (ForwardPass) -> Variable) -> Tensor? {
    teacher.map { scores($0.pass(precision)).value }
  }

  /// A pass that measures.
  func pass(_ parameters: ParameterStore) -> ForwardPass {
    ForwardPass(
      parameters, mode: .evaluation, instrumentation: instrumentation, precision: precision)
  }
}
