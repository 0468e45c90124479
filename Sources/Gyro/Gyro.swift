/// `import Gyro` gives a custom training loop all it needs: tensors, differentiation, models, data,
/// quantization, caches, checkpoints and the trainer.
@_exported import GyroAutodiff
@_exported import GyroCache
@_exported import GyroCheckpoints
@_exported import GyroDatasets
@_exported import GyroExperiments
@_exported import GyroExport
@_exported import GyroManifolds
@_exported import GyroModels
@_exported import GyroOptimization
@_exported import GyroQuantization
@_exported import GyroRotation
@_exported import GyroTensors
@_exported import GyroText
@_exported import GyroTraining
