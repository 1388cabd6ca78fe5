using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.Verify;

/// <summary>What generated code calls while it is compared: as <see cref="X64.HostCalls"/>, with logged results.</summary>
internal static unsafe class ReplayCalls
{
    public static void Connect(CoreHeader* header, GCHandle backend)
    {
        header->Handle = GCHandle.ToIntPtr(backend);
        header->Call = (delegate* unmanaged<CoreHeader*, ulong, ulong, ulong, int, void*, ulong>)&Call;
        header->Load = (delegate* unmanaged<CoreHeader*, ulong, uint, ulong>)&Load;
        header->Store = (delegate* unmanaged<CoreHeader*, ulong, ulong, uint, void>)&Store;
    }

    [UnmanagedCallersOnly]
    private static ulong Call(CoreHeader* header, ulong a, ulong b, ulong c, int imm, void* helper) => BackendOf(header).ReplayCall(a, b, c, imm, helper);

    [UnmanagedCallersOnly]
    private static ulong Load(CoreHeader* header, ulong linear, uint access) => BackendOf(header).ReplayLoad(linear, access);

    [UnmanagedCallersOnly]
    private static void Store(CoreHeader* header, ulong linear, ulong value, uint access) => BackendOf(header).ReplayStore(linear, value, access);

    private static VerifyingBackend BackendOf(CoreHeader* header) => Unsafe.As<VerifyingBackend>(GCHandle.FromIntPtr(header->Handle).Target!);
}
