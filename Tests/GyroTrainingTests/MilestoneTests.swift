import GyroOptimization
import GyroQuantization
import GyroTraining
import Testing

@Suite struct MilestoneTests {
  @Test func `a state is a function of the step alone`() throws {
    let schedule = try MilestoneSchedule(
      [
        Milestone(at: 0, .observers(true)),
        Milestone(at: 100, .weights(true), .activations(true), .bits(8), .distillation(0.5)),
        Milestone(at: 200, .bits(4)),
        Milestone(at: 300, .observers(false), .scalesFrozen(true), .batchNormFrozen(true)),
      ], steps: 400)
    var phase = QuantizationPhase(observes: true)
    #expect(schedule.state(at: 0) == phase && schedule.state(at: 99) == phase)
    phase.quantizesWeights = true
    phase.quantizesActivations = true
    phase.bits = 8
    phase.distillation = 0.5
    #expect(schedule.state(at: 100) == phase && schedule.state(at: 199) == phase)
    phase.bits = 4
    #expect(schedule.state(at: 299) == phase)
    phase.observes = false
    phase.freezesScales = true
    phase.freezesBatchNorm = true
    #expect(schedule.state(at: 300) == phase && schedule.state(at: 399) == phase)
    // Asked again for an earlier step, as a resumed run asks, it has forgotten nothing.
    #expect(schedule.state(at: 99) == QuantizationPhase(observes: true))
    #expect(
      schedule.summary
        == "0 observers on; 100 weights on, activations on, 8 bits, distillation 0.5; 200 4 bits; "
        + "300 observers off, scales frozen, batch norm frozen")
  }

  /// Lists that must be refused, and the words they are refused with.
  static let refused: [([Milestone], String)] = [
    (
      [Milestone(at: 0, .observers(true)), Milestone(at: 400, .scalesFrozen(true))],
      "milestone 'scales frozen' at step 400 is never reached: the run has 400 steps (0…399); "
        + "move it to an earlier step, or train longer"
    ),
    (
      [Milestone(at: 20, .weights(true)), Milestone(at: 10, .observers(true))],
      "milestone 'observers on' at step 10 comes after one at step 20; "
        + "list milestones in the order of their steps"
    ),
    (
      [Milestone(at: 10, .observers(true), .weights(true), .observers(false))],
      "step 10 asks for both 'observers on' and 'observers off'; keep one of them"
    ),
    (
      [Milestone(at: 10, .bits(8)), Milestone(at: 10, .bits(6))],
      "step 10 asks for both '8 bits' and '6 bits'; keep one of them"
    ),
    (
      [Milestone(at: 0, .observers(true)), Milestone(at: 10, .observers(true))],
      "milestone 'observers on' at step 10 changes nothing: that is already so; leave it out"
    ),
    (
      [Milestone(at: 0, .activations(false))],
      "milestone 'activations off' at step 0 changes nothing: that is already so; leave it out"
    ),
    (
      [Milestone(at: 5, .observers(true), .scalesFrozen(true))],
      "step 5 freezes the scales before any observer ran; turn observers on at an earlier step"
    ),
    ([Milestone(at: 5, .bits(9))], "step 5 asks for 9 bits; there are 2 to 8"),
    ([Milestone(at: 5, .bits(1))], "step 5 asks for 1 bits; there are 2 to 8"),
    (
      [Milestone(at: 5, .distillation(1.5))],
      "step 5 asks for a distillation share of 1.5; it lies between 0 and 1"
    ),
    ([Milestone(at: 5)], "the milestone at step 5 lists no change; give it one, or leave it out"),
    (
      [Milestone(at: -1, .weights(true))],
      "milestone 'weights on' lies at step -1; steps are counted from 0"
    ),
  ]

  @Test(arguments: refused)
  func `nonsense is refused before the first step`(
    _ milestones: [Milestone], _ words: String
  ) throws {
    let error = #expect(throws: MilestoneError.self) {
      try MilestoneSchedule(milestones, steps: 400)
    }
    #expect(error?.description == words)
  }

  @Test func `a run needs steps and four integers are four`() {
    #expect(
      #expect(throws: MilestoneError.self) { try MilestoneSchedule([], steps: 0) }?.description
        == "a milestone schedule needs a run of at least 1 step, not 0")
    #expect(
      #expect(throws: MilestoneError.self) {
        try MilestoneSchedule.fourIntegers([0, 100], steps: 400)
      }?.description
        == "expected four steps (observers on, rounding on, observers off, batch norm frozen), "
        + "not [0, 100]")
  }

  @Test func `presets are schedules`() throws {
    #expect(try MilestoneSchedule.immediate(steps: 9).state(at: 0) == .quantized)
    let delayed = try MilestoneSchedule.whitePaperDelay(delay: 30, freeze: 80, steps: 100)
    #expect(!delayed.state(at: 29).quantizesActivations && delayed.state(at: 29).quantizesWeights)
    #expect(delayed.state(at: 30) == .quantized)
    #expect(delayed.state(at: 80).freezesScales && !delayed.state(at: 80).observes)
    let four = try MilestoneSchedule.fourIntegers([0, 100, 400, 200], steps: 500)
    #expect(four.state(at: 200).freezesBatchNorm && four.state(at: 399).observes)
    #expect(four.state(at: 400).freezesScales && !four.state(at: 400).observes)
    let annealing = try MilestoneSchedule.annealing(widths: [8, 6, 4], steps: 300)
    #expect([0, 99, 100, 200, 299].map { annealing.state(at: $0).bits } == [8, 8, 6, 4, 4])
    // Observers that ran before the schedule count.
    let resumed = try MilestoneSchedule(
      [Milestone(at: 0, .scalesFrozen(true))], steps: 10, from: .quantized)
    #expect(resumed.state(at: 0).freezesScales)
  }

  @Test func `a timeline draws every switch`() throws {
    let schedule = try MilestoneSchedule(
      [
        Milestone(at: 0, .observers(true)),
        Milestone(at: 100, .weights(true), .activations(true), .bits(8), .distillation(0.5)),
        Milestone(at: 200, .bits(4), .distillation(1)),
        Milestone(at: 300, .observers(false), .scalesFrozen(true), .batchNormFrozen(true)),
      ], steps: 400)
    #expect(
      schedule.timeline(width: 62) == """
        observers     ##############################----------
        weights       ----------##############################
        activations   ----------##############################
        batch norm    ------------------------------##########  frozen
        scales        ------------------------------##########  frozen
        bits          ----------888888888844444444444444444444
        distillation  ----------5555555555####################
        step          0         100       200       300
        """)
    let short = try MilestoneSchedule.immediate(steps: 1)
    #expect(
      short.timeline(width: 10) == """
        observers     ##################
        weights       ##################
        activations   ##################
        batch norm    ------------------  frozen
        scales        ------------------  frozen
        bits          ------------------
        distillation  ------------------
        step          0
        """)
  }

  @Test func `fine-tuning with fixed ranges goes from 1 % to 0.01 % of the rate`() throws {
    let schedule = try Schedule.fineTuning(initialRate: 0.1, steps: 500)
    #expect(schedule.course == .cosine && schedule.warmup == 0)
    #expect(abs(schedule(0) - 1e-3) < 1e-15)
    #expect(abs(schedule(500) - 1e-5) < 1e-15)
    #expect(abs(schedule(250) - (1e-3 + 1e-5) / 2) < 1e-9)
    #expect((1...500).allSatisfy { schedule($0) < schedule($0 - 1) })
  }
}
