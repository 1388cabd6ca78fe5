namespace Gauntlet.Vmm.Bus;

/// <summary>
/// One interrupt input as the device that drives it sees it. Level is what the wire carries; whether an edge or the level counts is
/// the receiving controller's business. Setting the same level twice has no effect.
/// </summary>
public interface IIrqLine
{
    /// <summary>Drives the line high (true) or low (false). May be called from any thread that holds the device lock.</summary>
    void Set(bool level);
}

/// <summary>A line that nothing is connected to.</summary>
public sealed class UnconnectedIrqLine : IIrqLine
{
    public static readonly UnconnectedIrqLine Instance = new();

    private UnconnectedIrqLine() { }

    public void Set(bool level) { }
}
