using Gauntlet.Vmm.Accel.Tcg.Backends.X64;

namespace Gauntlet.Vmm.Tests.Guests;

/// <summary>Every prebuilt suite with the translator's host code compared block by block with the interpreter: the first difference ends gvmm.</summary>
public sealed class VerifiedSuiteTests
{
    /// <summary>
    /// All of guests/prebuilt/x86_64 but what needs a disk or a network of its own, or a guest below it, and what compares one clock with another: on a busy host
    /// a block that is compared takes longer than such a suite allows.
    /// </summary>
    public static TheoryData<string> Suites()
    {
        var names = new TheoryData<string>();
        foreach (var path in Directory.EnumerateFiles(Path.GetDirectoryName(Tests.GuestProgram.ImageOf("smoke"))!, "*.elf").Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileNameWithoutExtension(path);
            if (name is not ("acpi" or "i8254" or "lapic" or "rtc" or "l1" or "virtio_blk" or "virtio_net"))
                names.Add(name);
        }
        return names;
    }

    [VerifiableTheory]
    [MemberData(nameof(Suites))]
    public async Task A_suite_passes_with_every_block_compared(string suite) =>
        Assert.Contains("SUMMARY", await GuestProgram.PassAsync(GuestProgram.Gvmm, suite, "", "-accel", "tcg,verify=on", "-cpu", "max", "-smp", "2", "-device", "pc-testdev"), StringComparison.Ordinal);
}

/// <summary>A test that needs the translator's host code; skipped on hosts that have none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class VerifiableTheoryAttribute : TheoryAttribute
{
    public VerifiableTheoryAttribute()
    {
        if (WhyNot is { } why)
            Skip = why;
    }

    private static string? WhyNot => X64Backend.IsSupported ? null : "the translator has no host code here: it needs an x86-64 host";
}
