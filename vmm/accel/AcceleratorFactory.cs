using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Accel;

/// <summary>What an accelerator is made from.</summary>
/// <param name="Properties">As after the comma of <c>-accel</c> and, for <c>kernel-irqchip</c>, of <c>-machine</c>: <c>kernel-irqchip=off</c>.</param>
/// <param name="Clock">The machine's, for a time-stamp counter that the accelerator models itself.</param>
/// <param name="CpuCount">How many vCPUs will be made.</param>
public sealed record AcceleratorSetup(IReadOnlyDictionary<string, string> Properties, IClock Clock, int CpuCount);

/// <summary>One that was asked for.</summary>
/// <param name="Name">As after <c>-accel</c>.</param>
/// <param name="Properties">As in <see cref="AcceleratorSetup"/>.</param>
public sealed record AcceleratorChoice(string Name, IReadOnlyDictionary<string, string> Properties);

/// <summary>The accelerators by the names that follow <c>-accel</c>.</summary>
public static class AcceleratorFactory
{
    /// <summary>In the order that <c>-accel help</c> lists them.</summary>
    public static IReadOnlyList<string> Names { get; } = ["kvm", "tcg", "qtest"];

    /// <summary>Makes the first of the accelerators asked for that this host offers, as QEMU does with several <c>-accel</c> options.</summary>
    /// <param name="wanted">At least one, most wanted first.</param>
    /// <param name="clock">The machine's.</param>
    /// <param name="cpuCount">How many vCPUs will be made.</param>
    /// <param name="onFallback">Told why each one before the last was passed over.</param>
    /// <exception cref="AcceleratorException">None of them can be had; the message is the last one's.</exception>
    public static IAccelerator CreateFirst(
        IReadOnlyList<AcceleratorChoice> wanted, IClock clock, int cpuCount, Action<string> onFallback)
    {
        for (var i = 0; ; i++)
        {
            try
            {
                return Create(wanted[i].Name, new AcceleratorSetup(wanted[i].Properties, clock, cpuCount));
            }
            catch (AcceleratorException why) when (i + 1 < wanted.Count)
            {
                onFallback($"{why.Message}; falling back to {wanted[i + 1].Name}");
            }
        }
    }

    /// <exception cref="AcceleratorException">The host does not offer it, or there is none of that name.</exception>
    public static IAccelerator Create(string name, AcceleratorSetup setup) => name switch
    {
        // Each accelerator adds its line here.
        "tcg" => new Tcg.TcgAccelerator(setup.Clock, Tcg.TcgOptions.FromProperties(setup.Properties)),
        "kvm" => new Kvm.KvmAccelerator(Kvm.KvmOptions.FromProperties(setup.Properties)),
        Qtest.QtestAccelerator.AcceleratorName => new Qtest.QtestAccelerator(),
        _ => throw new AcceleratorException($"invalid accelerator {name}: there are {string.Join(", ", Names)}"),
    };
}
