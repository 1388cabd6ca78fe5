namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>A command that is refused.</summary>
/// <param name="description">For people.</param>
/// <param name="errorClass">QMP's error class (qmp-spec.rst, "Error").</param>
public sealed class QmpException(string description, string errorClass = QmpException.Generic) : Exception(description)
{
    public const string Generic = "GenericError", CommandNotFound = "CommandNotFound", DeviceNotFound = "DeviceNotFound";

    public string ErrorClass { get; } = errorClass;
}
