namespace Gauntlet.Vmm.Bench.Startup;

/// <summary>The least guest there is, 16-bit and flat: it prints a line and, as told, ends the machine or halts.</summary>
internal sealed class FlatGuest : IDisposable
{
    // mov dx, 0x3f8; mov al, '.'; out dx, al; mov al, '\n'; out dx, al
    private static readonly byte[] s_print = [0xba, 0xf8, 0x03, 0xb0, 0x2e, 0xee, 0xb0, 0x0a, 0xee];

    // xor al, al; out 0xf4, al
    private static readonly byte[] s_end = [0x30, 0xc0, 0xe6, 0xf4];

    // cli; hlt
    private static readonly byte[] s_halt = [0xfa, 0xf4];

    public FlatGuest(bool ends) => File.WriteAllBytes(Path, [.. s_print, .. ends ? s_end : s_halt]);

    /// <summary>Its name ends in <c>.bin</c>, by which gvmm knows a flat binary.</summary>
    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"gauntlet-startup-{Guid.NewGuid():N}.bin");

    public void Dispose() => File.Delete(Path);
}
