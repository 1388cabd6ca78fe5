using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>A line that several devices drive: high while any of them does, as COM1's and COM3's.</summary>
public sealed class SharedIrqLine(IIrqLine line)
{
    private int _high;

    /// <summary>The end of one more device.</summary>
    public IIrqLine NewEnd() => new End(this);

    private sealed class End(SharedIrqLine shared) : IIrqLine
    {
        private bool _level;

        public void Set(bool level)
        {
            shared._high += (level ? 1 : 0) - (_level ? 1 : 0);
            _level = level;
            shared.Drive();
        }
    }

    private void Drive() => line.Set(_high > 0);
}
