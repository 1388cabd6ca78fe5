using Gauntlet.Vmm.Accel.Tcg.Backends;
using Gauntlet.Vmm.Accel.Tcg.Backends.Interp;
using Gauntlet.Vmm.Accel.Tcg.Backends.Verify;
using Gauntlet.Vmm.Accel.Tcg.Backends.X64;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg;

/// <summary>What runs translated blocks.</summary>
public enum TcgBackendKind
{
    /// <summary>The interpreter, on every host.</summary>
    Interp,

    /// <summary>Host code, on an x86-64 host.</summary>
    X64,
}

/// <summary>What can be chosen about the translator.</summary>
/// <param name="Verify">Every block is interpreted and run as host code, and the vCPU fails where the two differ.</param>
public sealed record TcgOptions(TcgBackendKind Backend, bool Verify = false)
{
    /// <summary>The fastest that this host runs.</summary>
    public static TcgOptions Default => new(X64Backend.IsSupported ? TcgBackendKind.X64 : TcgBackendKind.Interp);

    /// <summary>Properties: <c>backend</c> (x64, interp), <c>verify</c> (on, off).</summary>
    /// <exception cref="AcceleratorException">A property or value that there is not, or a back end that this host does not run; the message names it.</exception>
    public static TcgOptions FromProperties(IReadOnlyDictionary<string, string> properties)
    {
        var options = Default;
        foreach (var (name, value) in properties)
        {
            options = (name, value) switch
            {
                ("backend", "interp") => options with { Backend = TcgBackendKind.Interp },
                ("backend", "x64") when X64Backend.IsSupported => options with { Backend = TcgBackendKind.X64 },
                ("backend", "x64") => throw new AcceleratorException("-accel tcg,backend=x64: this host does not run x86-64 code with POPCNT; backend=interp runs everywhere"),
                ("verify", "on") when X64Backend.IsSupported => options with { Verify = true },
                ("verify", "on") => throw new AcceleratorException("-accel tcg,verify=on: this host does not run x86-64 code, so that there is nothing to compare with the interpreter"),
                ("verify", "off") => options with { Verify = false },
                ("verify", _) => throw new AcceleratorException($"-accel tcg: verify cannot be '{value}'; there are on, off"),
                ("backend", _) => throw new AcceleratorException($"-accel tcg: backend cannot be '{value}'; there are x64, interp"),
                // Of -machine and -global, for the case that KVM is had; and QEMU's own, which gvmm has no choice about.
                ("kernel-irqchip" or "kernel_irqchip" or "pit" or "kvm-pit.lost_tick_policy" or "thread" or "tb-size" or "split-wx", _) => options,
                _ => throw new AcceleratorException($"-accel tcg: there is no property '{name}'; there are backend, verify"),
            };
        }
        return options;
    }

    internal unsafe TcgBackend CreateBackend(TranslatingCore core, IrGuest guest) => Backend switch
    {
        _ when Verify => new VerifyingBackend(core, guest, new X86Inliner()),
        TcgBackendKind.X64 => new X64Backend(core, guest, core.Blocks.JumpCache, new X86Inliner()),
        _ => new InterpBackend(guest, core.TempOffset),
    };
}
